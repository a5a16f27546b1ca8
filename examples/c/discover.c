/*
 * The few lines of ZRE that a sender needs to find a collector: it says where it is by beacon and HELLO, and reads the HELLO of
 * each peer. A node that stays would also answer PING; this one has left before that is due.
 */
#include "discover.h"

#include "zre_msg_socket.h"

#include <czmq.h>

/** Port 0 in a beacon says that the node leaves. */
static zframe_t *beacon_of(const uint8_t *uuid, int port)
{
    uint8_t octets[22] = {'Z', 'R', 'E', 1};
    memcpy(octets + 4, uuid, 16);
    octets[20] = (uint8_t)(port >> 8);
    octets[21] = (uint8_t)port;
    return zframe_new(octets, sizeof octets);
}

/** Whether the two endpoints are on the same host: a peer may only name itself. */
static bool same_host(zcodec_text_t one, zcodec_text_t other)
{
    const char *end = strrchr(one.data, ':');
    size_t size = end != NULL ? (size_t)(end - one.data) + 1 : 0;
    return size > 6 && other.size > size && memcmp(one.data, other.data, size) == 0;
}

/** Send HELLO to the mailbox of a peer. The socket must live until the peer has read it. */
static void *greet(void *context, const uint8_t *uuid, const char *ip, int port, const char *own_ip, int own_port)
{
    uint8_t identity[17] = {1};
    char endpoint[128];
    int linger_ms = 1000;
    zre_msg_t hello = {0};
    void *dealer = zmq_socket(context, ZMQ_DEALER);
    memcpy(identity + 1, uuid, 16);
    zmq_setsockopt(dealer, ZMQ_ROUTING_ID, identity, sizeof identity);
    zmq_setsockopt(dealer, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    (void)snprintf(endpoint, sizeof endpoint, "tcp://%s:%d", ip, port);
    if (dealer == NULL || zmq_connect(dealer, endpoint) != 0) {
        return dealer;
    }
    (void)snprintf(endpoint, sizeof endpoint, "tcp://%s:%d", own_ip, own_port);
    hello.id = ZRE_MSG_HELLO;
    hello.as.hello.sequence = 1;
    hello.as.hello.endpoint = zcodec_text(endpoint);
    hello.as.hello.name = zcodec_text("c-example");
    (void)zre_msg_send(dealer, &hello, NULL, ZMQ_DONTWAIT, NULL);
    return dealer;
}

/** Whether a message in the mailbox is the HELLO of a collector; its endpoint. */
static bool is_collector(void *mailbox, char *endpoint, size_t size)
{
    zre_msg_t message;
    const zcodec_text_t *live;
    bool in_group = false;
    bool found = false;
    size_t i;
    if (zre_msg_receive(mailbox, &message, NULL, ZMQ_DONTWAIT, NULL, NULL) != 0) {
        return false;
    }
    if (message.id == ZRE_MSG_HELLO) {
        for (i = 0; i < message.as.hello.groups.count; i++) {
            in_group = in_group || strcmp(message.as.hello.groups.items[i].data, "ZYRE-LOGGER") == 0;
        }
        live = zcodec_hash_get(&message.as.hello.headers, zcodec_text("X-ZRELOG"));
        if (in_group && live != NULL && live->size < size && same_host(message.as.hello.endpoint, *live)) {
            (void)snprintf(endpoint, size, "%s", live->data);
            found = true;
        }
    }
    zre_msg_clear(&message);
    return found;
}

bool discover(void *context, const char *interface, int port, char *endpoint, size_t size)
{
    enum { MOST_PEERS = 1000 };
    static zuuid_t *known[MOST_PEERS];
    static void *greeted[MOST_PEERS];
    size_t peers = 0;
    zuuid_t *uuid = zuuid_new();
    zactor_t *beacon;
    zframe_t *own;
    void *mailbox = zmq_socket(context, ZMQ_ROUTER);
    char *own_ip;
    char bound[128];
    size_t bound_size = sizeof bound;
    int own_port;
    bool found = false;
    zsys_set_interface(interface);
    beacon = zactor_new(zbeacon, NULL);
    if (beacon == NULL || uuid == NULL || mailbox == NULL || zmq_bind(mailbox, "tcp://*:*") != 0) {
        return false;
    }
    (void)zmq_getsockopt(mailbox, ZMQ_LAST_ENDPOINT, bound, &bound_size);
    own_port = atoi(strrchr(bound, ':') + 1);
    zsock_send(beacon, "si", "CONFIGURE", port);
    own_ip = zstr_recv(beacon);
    found = own_ip == NULL || *own_ip == '\0';
    if (found) {
        return false; /* no broadcasts on this interface */
    }
    own = beacon_of(zuuid_data(uuid), own_port);
    zsock_send(beacon, "sbi", "PUBLISH", zframe_data(own), zframe_size(own), 1000);
    zsock_send(beacon, "sb", "SUBSCRIBE", "ZRE\x01", (size_t)4);
    while (!found && !zsys_interrupted) {
        zmq_pollitem_t items[] = {{zsock_resolve(beacon), 0, ZMQ_POLLIN, 0}, {mailbox, 0, ZMQ_POLLIN, 0}};
        if (zmq_poll(items, 2, -1) < 0) {
            break;
        }
        if ((items[0].revents & ZMQ_POLLIN) != 0) {
            char *ip = zstr_recv(beacon);
            zframe_t *frame = zframe_recv(beacon);
            if (ip != NULL && frame != NULL && zframe_size(frame) == 22 && peers < MOST_PEERS) {
                const uint8_t *octets = zframe_data(frame);
                int their_port = octets[20] << 8 | octets[21];
                size_t i = 0;
                while (i < peers && memcmp(zuuid_data(known[i]), octets + 4, 16) != 0) {
                    i++;
                }
                if (i == peers && their_port != 0) {
                    known[peers] = zuuid_new_from(octets + 4);
                    greeted[peers] = greet(context, zuuid_data(uuid), ip, their_port, own_ip, own_port);
                    peers++;
                }
            }
            zstr_free(&ip);
            zframe_destroy(&frame);
        }
        if ((items[1].revents & ZMQ_POLLIN) != 0) {
            found = is_collector(mailbox, endpoint, size);
        }
    }
    zframe_destroy(&own);
    own = beacon_of(zuuid_data(uuid), 0);
    zsock_send(beacon, "sbi", "PUBLISH", zframe_data(own), zframe_size(own), 1000);
    while (peers > 0) {
        peers--;
        zuuid_destroy(&known[peers]);
        (void)zmq_close(greeted[peers]);
    }
    (void)zmq_close(mailbox);
    zframe_destroy(&own);
    zactor_destroy(&beacon);
    zstr_free(&own_ip);
    zuuid_destroy(&uuid);
    return found;
}
