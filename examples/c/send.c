/* Sends ten records and a LOG to a collector. See README.md beside this file. */
#define _POSIX_C_SOURCE 200809L

#include "zre_log_msg_socket.h"

#ifdef DISCOVER
#include "discover.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/** End with the reason that libzmq or the system gives. */
static void need(bool condition, const char *what)
{
    if (!condition) {
        (void)fprintf(stderr, "%s: %s\n", what, zmq_strerror(zmq_errno()));
        exit(1);
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;
    need(clock_gettime(CLOCK_REALTIME, &now) == 0, "clock");
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static zcodec_uuid_t random_uuid(void)
{
    zcodec_uuid_t uuid;
    FILE *source = fopen("/dev/urandom", "rb");
    need(source != NULL && fread(uuid.octets, sizeof uuid.octets, 1, source) == 1, "/dev/urandom");
    (void)fclose(source);
    return uuid;
}

/** An XPUB that a collector has subscribed to: it is ready when it subscribes to AA A2 FF and its UUID. */
static void *connected(void *context, const char *endpoint)
{
    static const uint8_t ready[] = {1, 0xAA, 0xA2, 0xFF};
    int on = 1;
    int linger_ms = 10000; /* so that the last records arrive */
    uint8_t subscription[64];
    void *socket = zmq_socket(context, ZMQ_XPUB);
    need(socket != NULL, "socket");
    need(zmq_setsockopt(socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms) == 0, "linger");
    need(zmq_setsockopt(socket, ZMQ_XPUB_NODROP, &on, sizeof on) == 0, "no drop");
    need(zmq_connect(socket, endpoint) == 0, endpoint);
    do {
        memset(subscription, 0, sizeof subscription);
        need(zmq_recv(socket, subscription, sizeof subscription, 0) >= 0, "subscription");
    } while (memcmp(subscription, ready, sizeof ready) != 0);
    return socket;
}

static void send_records(void *socket, const char *host)
{
    static const uint8_t severities[] = {
        ZRE_LOG_MSG_SEVERITY_INFO,
        ZRE_LOG_MSG_SEVERITY_DEBUG,
        ZRE_LOG_MSG_SEVERITY_WARN,
        ZRE_LOG_MSG_SEVERITY_ERROR};
    uint64_t sequences[24] = {0}; /* each range of severities counts for itself */
    zre_log_msg_t message = {0};
    zre_log_msg_record_t *record = &message.as.record;
    int number;
    message.id = ZRE_LOG_MSG_RECORD;
    record->node = random_uuid();
    record->epoch = now_ns();
    record->host = zcodec_text(host);
    record->name = zcodec_text("c-example");
    record->logger = zcodec_text("example.c");
    for (number = 1; number <= 10; number++) {
        char text[64];
        char digits[8];
        zcodec_pair_t field;
        zcodec_encode_error_t error;
        (void)snprintf(text, sizeof text, "record %d of 10, at 12.5 \302\260C", number);
        (void)snprintf(digits, sizeof digits, "%d", number);
        field.name = zcodec_text("number");
        field.value = zcodec_text(digits);
        record->severity = severities[(number - 1) % 4];
        record->sequence = ++sequences[record->severity - 1];
        record->time = now_ns();
        record->text = zcodec_text(text);
        record->fields.items = &field;
        record->fields.count = 1;
        need(zre_log_msg_send(socket, &message, NULL, 0, &error) == 0, "send");
    }
}

/** What a node of the historic protocol would send. */
static void send_log(void *socket)
{
    zre_log_msg_t message = {0};
    message.id = ZRE_LOG_MSG_LOG;
    message.as.log.level = ZRE_LOG_MSG_LOG_LEVEL_INFO;
    message.as.log.node_id = 5521;
    message.as.log.time = (uint64_t)time(NULL);
    message.as.log.data = zcodec_text_cut(zcodec_text("Good morning from C"), 255);
    need(zre_log_msg_send(socket, &message, NULL, 0, NULL) == 0, "send");
}

int main(int argc, char **argv)
{
    char host[256] = "localhost";
    const char *endpoint = argc > 1 ? argv[1] : "";
    void *context = zmq_ctx_new();
    void *socket;
#ifdef DISCOVER
    char found[256];
    if (strcmp(endpoint, "--discover") == 0) {
        need(discover(context, argc > 2 ? argv[2] : "*", argc > 3 ? atoi(argv[3]) : 5670, found, sizeof found), "no collector");
        endpoint = found;
    }
#endif
    if (strncmp(endpoint, "tcp://", 6) != 0) {
        (void)fputs("usage: send tcp://HOST:PORT\n", stderr);
        return 2;
    }
    (void)gethostname(host, sizeof host - 1);
    socket = connected(context, endpoint);
    send_records(socket, host);
    send_log(socket);
    (void)zmq_close(socket);
    (void)zmq_ctx_term(context);
    (void)printf("sent 10 records and a LOG to %s\n", endpoint);
    return 0;
}
