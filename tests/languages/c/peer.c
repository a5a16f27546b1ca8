/*
 * The socket helpers in C, for languages.exchange: `peer COUNT` sends back as many messages of the model `everything`, then
 * refuses what is none, sends the last one again, and serves one subscription to the model `feed`.
 */
#include "everything_socket.h"
#include "feed_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** What must hold, or the peer ends with a line number. */
#define MUST(condition) must((condition), __LINE__)

static void must(bool condition, int line)
{
    if (!condition) {
        (void)fprintf(stderr, "line %d: %s\n", line, zmq_strerror(errno));
        exit(1);
    }
}

static void *bound(void *context, int type)
{
    int wait_ms = 20000;
    void *socket = zmq_socket(context, type);
    MUST(socket != NULL);
    MUST(zmq_setsockopt(socket, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms) == 0);
    MUST(zmq_bind(socket, "tcp://127.0.0.1:*") == 0);
    return socket;
}

static void print_endpoint(void *socket, const char *behind)
{
    char endpoint[256];
    size_t size = sizeof endpoint;
    MUST(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
    (void)printf("%s%s", endpoint, behind);
    (void)fflush(stdout);
}

static void echo(void *router, long count)
{
    everything_t message;
    zcodec_identity_t identity;
    zcodec_decode_error_t error;
    size_t i;
    for (; count > 0; count--) {
        MUST(everything_receive(router, &message, &identity, 0, NULL, &error) == 0);
        MUST(everything_send(router, &message, &identity, 0, NULL) == 0);
        if (count > 1) {
            everything_clear(&message);
        }
    }
    {
        everything_t none;
        MUST(everything_receive(router, &none, &identity, 0, NULL, &error) == -1 && errno == EBADMSG && none.id == 0);
    }
    (void)printf("refused %s: %s at offset %zu from ", error.message, zcodec_reason_name(error.reason), error.offset);
    for (i = 0; i < identity.size; i++) {
        (void)printf("%02x", identity.octets[i]);
    }
    (void)printf("\n");
    (void)fflush(stdout);
    MUST(everything_send(router, &message, NULL, 0, NULL) == -1 && errno == EINVAL); /* to whom? */
    MUST(everything_send(router, &message, &identity, 0, NULL) == 0);
    everything_clear(&message);
    MUST(everything_receive(router, &message, NULL, ZMQ_DONTWAIT, NULL, NULL) == -1 && errno == EAGAIN);
}

static void hear(void *xpub, zcodec_subscription_t *subscription)
{
    MUST(feed_subscription_receive(xpub, subscription, 0) == 0);
    (void)printf("%s %s ", subscription->subscribe ? "subscribe" : "unsubscribe", feed_name(subscription->id));
    (void)printf("%.*s\n", (int)subscription->topic.size, subscription->topic.data);
    (void)fflush(stdout);
}

static void publish(void *xpub)
{
    zcodec_subscription_t subscription;
    feed_t message = {0};
    hear(xpub, &subscription);
    message.id = FEED_HALT;
    message.as.halt.topic = subscription.topic;
    MUST(feed_send(xpub, &message, NULL, 0, NULL) == 0);
    message.id = FEED_TICK;
    memset(&message.as, 0, sizeof message.as);
    message.as.tick.topic = zcodec_text("price");
    message.as.tick.price = UINT64_C(1) << 63;
    message.as.tick.symbol = zcodec_text("ZMQ");
    MUST(feed_send(xpub, &message, NULL, 0, NULL) == 0);
    zcodec_subscription_clear(&subscription);
    hear(xpub, &subscription);
    zcodec_subscription_clear(&subscription);
    MUST(feed_subscribe(xpub, 99, zcodec_text("")) == -1 && errno == EINVAL);
}

int main(int argc, char **argv)
{
    void *context = zmq_ctx_new();
    void *router = bound(context, ZMQ_ROUTER);
    void *xpub = bound(context, ZMQ_XPUB);
    MUST(argc == 2);
    print_endpoint(router, " ");
    print_endpoint(xpub, "\n");
    echo(router, strtol(argv[1], NULL, 10));
    publish(xpub);
    (void)zmq_close(router);
    (void)zmq_close(xpub);
    (void)zmq_ctx_term(context);
    (void)puts("done");
    return 0;
}
