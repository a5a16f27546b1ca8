/* What the generated C codecs promise: values, errors, and above all whose memory is whose. */
#include "everything.h"
#include "feed.h"
#include "grown.h"
#include "zre_log_msg.h"
#include "zre_msg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *counted_malloc(size_t size);
void counted_free(void *block);

static int failures = 0;

#define CHECK(condition) check((condition), #condition, __LINE__)

static void check(bool passed, const char *what, int line)
{
    if (!passed) {
        (void)fprintf(stderr, "line %d: %s\n", line, what);
        failures++;
    }
}

/* ---- memory ---- */

static size_t allocations = 0;
static size_t allocated = 0;
static size_t held = 0;
static bool out_of_memory = false;

void *counted_malloc(size_t size)
{
    if (out_of_memory) {
        return NULL;
    }
    allocations++;
    allocated += size;
    held++;
    return malloc(size);
}

void counted_free(void *block)
{
    held -= block != NULL ? 1 : 0;
    free(block);
}

static void count_anew(void)
{
    allocations = 0;
    allocated = 0;
}

/* ---- helpers ---- */

static bool is_text(zcodec_text_t text, const char *data, size_t size)
{
    return text.size == size && memcmp(text.data, data, size) == 0 && text.data[size] == '\0';
}

/** Encode, copy the frames, free everything encoded, decode, free the copies. The message must stand on its own. */
static bool through_the_wire(const zre_log_msg_t *from, zre_log_msg_t *to)
{
    zcodec_encoded_t encoded = {0};
    zcodec_octets_t frame;
    uint8_t *copy;
    bool decoded;
    if (!zre_log_msg_encode(from, &encoded, NULL) || encoded.count != 1) {
        return false;
    }
    copy = (uint8_t *)malloc(encoded.frames[0].size);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, encoded.frames[0].data, encoded.frames[0].size);
    frame = zcodec_octets_of(copy, encoded.frames[0].size);
    zcodec_encoded_clear(&encoded);
    decoded = zre_log_msg_decode(to, &frame, 1, NULL, NULL);
    memset(copy, 0xEE, frame.size);
    free(copy);
    return decoded;
}

static zre_log_msg_t record(zcodec_text_t text)
{
    static const zcodec_pair_t fields[] = {{{"joint", 5}, {"3", 1}}, {{"empty", 5}, {NULL, 0}}};
    zre_log_msg_t message = {0};
    message.id = ZRE_LOG_MSG_RECORD;
    message.as.record.severity = ZRE_LOG_MSG_SEVERITY_ERROR;
    message.as.record.sequence = UINT64_MAX;
    message.as.record.host = zcodec_text("rover-2");
    message.as.record.text = text;
    message.as.record.fields.items = fields;
    message.as.record.fields.count = 2;
    return message;
}

/* ---- tests ---- */

static void octets_are_those_of_the_specification(void)
{
    static const uint8_t wanted[] = {0xAA, 0xA2, 0x01, 0x03, 0x03, 0x15, 0x91, 0x09, 0x90, 0x00, 0x00, 0x00, 0x00, 0x53,
        0x97, 0x1B, 0x75, 0x0C, 'G', 'o', 'o', 'd', ' ', 'm', 'o', 'r', 'n', 'i', 'n', 'g'};
    uint8_t octets[sizeof wanted];
    zre_log_msg_log_t log = {0};
    log.level = 3;
    log.event = ZRE_LOG_MSG_EVENT_ENTER;
    log.node_id = 5521;
    log.peer_id = 2448;
    log.time = 1402411893;
    log.data = zcodec_text("Good morning");
    memset(octets, 0, sizeof octets);
    CHECK(zre_log_msg_log_pack(&log, octets, sizeof octets - 1, NULL) == sizeof wanted);
    CHECK(octets[0] == 0);
    CHECK(zre_log_msg_log_pack(&log, NULL, 0, NULL) == sizeof wanted);
    CHECK(zre_log_msg_log_pack(&log, octets, sizeof octets, NULL) == sizeof wanted);
    CHECK(memcmp(octets, wanted, sizeof wanted) == 0);
}

static void zeros_are_a_message(void)
{
    zre_log_msg_t empty = {0};
    zre_log_msg_t back;
    zre_log_msg_clear(&empty);
    empty.id = ZRE_LOG_MSG_RECORD;
    CHECK(through_the_wire(&empty, &back));
    CHECK(zre_log_msg_equal(&empty, &back));
    CHECK(is_text(back.as.record.text, "", 0));
    CHECK(back.as.record.fields.count == 0);
    zre_log_msg_clear(&back);
    CHECK(back.id == 0);
    zre_log_msg_clear(&back);
}

static void a_nul_inside_text_survives(void)
{
    static const char text[] = "a\0b\0";
    zre_log_msg_t sent = record(zcodec_text_of(text, 4));
    zre_log_msg_t back;
    CHECK(through_the_wire(&sent, &back));
    CHECK(zre_log_msg_equal(&sent, &back));
    CHECK(is_text(back.as.record.text, text, 4));
    CHECK(strcmp(back.as.record.host.data, "rover-2") == 0);
    CHECK(zcodec_hash_get(&back.as.record.fields, zcodec_text("empty"))->size == 0);
    CHECK(zcodec_hash_get(&back.as.record.fields, zcodec_text("nothing")) == NULL);
    zre_log_msg_clear(&back);
}

static void a_message_is_one_block(void)
{
    zre_log_msg_t sent = record(zcodec_text("text"));
    zre_log_msg_t ping = {0};
    zre_log_msg_t back;
    zre_log_msg_t moved;
    CHECK(through_the_wire(&sent, &back));
    count_anew();
    zre_log_msg_clear(&back);
    CHECK(held == 0);
    CHECK(through_the_wire(&sent, &back));
    CHECK(allocations == 2); /* one to encode, one to decode */
    moved = back;
    memset(&back, 0, sizeof back);
    CHECK(zre_log_msg_equal(&moved, &sent));
    zre_log_msg_clear(&moved);
    ping.id = ZRE_LOG_MSG_PING;
    count_anew();
    CHECK(through_the_wire(&ping, &back));
    CHECK(allocations == 1); /* nothing to decode into */
    zre_log_msg_clear(&back);
    CHECK(held == 0);
}

static void encoding_again_allocates_nothing(void)
{
    zre_log_msg_t sent = record(zcodec_text("a longer text"));
    zre_log_msg_t shorter = record(zcodec_text("shorter"));
    zcodec_encoded_t encoded = {0};
    CHECK(zre_log_msg_encode(&sent, &encoded, NULL));
    count_anew();
    CHECK(zre_log_msg_encode(&shorter, &encoded, NULL));
    CHECK(zre_log_msg_encode(&sent, &encoded, NULL));
    CHECK(allocations == 0);
    zcodec_encoded_clear(&encoded);
    CHECK(held == 0 && encoded.count == 0);
}

static void bad_frames_allocate_nothing(void)
{
    zre_log_msg_t sent = record(zcodec_text("text"));
    zcodec_encoded_t encoded = {0};
    uint8_t octets[256];
    size_t size;
    size_t cut;
    CHECK(zre_log_msg_encode(&sent, &encoded, NULL));
    size = encoded.frames[0].size;
    memcpy(octets, encoded.frames[0].data, size);
    zcodec_encoded_clear(&encoded);
    count_anew();
    for (cut = 0; cut < size; cut++) {
        zcodec_octets_t frame = zcodec_octets_of(octets, cut);
        zcodec_decode_error_t error = {ZCODEC_VALUE, 1, NULL};
        zre_log_msg_t back;
        CHECK(!zre_log_msg_decode(&back, &frame, 1, NULL, &error));
        CHECK(error.reason == ZCODEC_TRUNCATED && error.offset <= cut);
        CHECK(cut < 3 ? error.message == NULL : strcmp(error.message, "RECORD") == 0);
        CHECK(back.id == 0 && back.memory == NULL);
    }
    CHECK(allocations == 0);
}

static void no_frames_are_an_empty_one(void)
{
    zre_log_msg_t back;
    zcodec_decode_error_t error;
    CHECK(!zre_log_msg_decode(&back, NULL, 0, NULL, &error));
    CHECK(error.reason == ZCODEC_TRUNCATED && error.offset == 0 && error.message == NULL);
    CHECK(strcmp(zcodec_reason_name(error.reason), "truncated") == 0);
}

static void memory_of_the_caller(void)
{
    zre_log_msg_t sent = record(zcodec_text("text"));
    zcodec_encoded_t encoded = {0};
    zcodec_options_t options = {false, NULL, 0};
    zcodec_decode_error_t error;
    zre_log_msg_t back;
    char block[1024];
    size_t shift;
    CHECK(zre_log_msg_encode(&sent, &encoded, NULL));
    count_anew();
    for (shift = 0; shift < 2 * sizeof(void *); shift++) {
        options.memory = block + shift;
        options.size = 0;
        CHECK(!zre_log_msg_decode(&back, encoded.frames, encoded.count, &options, &error));
        CHECK(error.reason == ZCODEC_MEMORY && error.offset < sizeof block - shift);
        options.size = error.offset;
        memset(block, 0xEE, sizeof block);
        CHECK(zre_log_msg_decode(&back, encoded.frames, encoded.count, &options, NULL));
        CHECK((unsigned char)block[shift + error.offset] == 0xEE);
        CHECK(zre_log_msg_equal(&sent, &back));
        zre_log_msg_clear(&back);
    }
    CHECK(allocations == 0);
    zcodec_encoded_clear(&encoded);
}

static void memory_runs_out(void)
{
    zre_log_msg_t sent = record(zcodec_text("text"));
    zcodec_encoded_t encoded = {0};
    zcodec_encoded_t other = {0};
    zcodec_decode_error_t error;
    zcodec_encode_error_t refused;
    zre_log_msg_t back;
    CHECK(zre_log_msg_encode(&sent, &encoded, NULL));
    out_of_memory = true;
    CHECK(!zre_log_msg_decode(&back, encoded.frames, encoded.count, NULL, &error));
    CHECK(error.reason == ZCODEC_MEMORY && error.offset > 0 && strcmp(error.message, "RECORD") == 0);
    CHECK(back.id == 0);
    CHECK(!zre_log_msg_encode(&sent, &other, &refused));
    CHECK(other.count == 0 && refused.field == NULL && strcmp(refused.problem, "out of memory") == 0);
    out_of_memory = false;
    zcodec_encoded_clear(&encoded);
    zcodec_encoded_clear(&other);
}

static void refuses(zre_log_msg_t message, const char *field, const char *problem)
{
    zcodec_encoded_t encoded = {0};
    zcodec_encode_error_t error = {NULL, NULL, NULL};
    uint8_t octets[1024];
    CHECK(!zre_log_msg_encode(&message, &encoded, &error));
    CHECK(error.field != NULL && strcmp(error.field, field) == 0 && strcmp(error.problem, problem) == 0);
    CHECK(strcmp(error.message, "RECORD") == 0);
    CHECK(zre_log_msg_pack(&message, octets, sizeof octets, NULL) == 0);
    zcodec_encoded_clear(&encoded);
}

static void what_does_not_fit_is_refused(void)
{
    static char many[256];
    zre_log_msg_t message = record(zcodec_text("text"));
    zre_log_msg_t none = {0};
    zcodec_encode_error_t error;
    memset(many, 'x', sizeof many);
    message.as.record.logger = zcodec_text_of(many, 256);
    refuses(message, "logger", "more than 255 octets");
    message.as.record.logger = zcodec_text_of(many, 255);
    CHECK(zre_log_msg_pack(&message, NULL, 0, NULL) > 0);
    message.as.record.name = zcodec_text("\xED\xA0\x80");
    refuses(message, "name", "not UTF-8");
    message.as.record.name = zcodec_text_of(NULL, 1);
    refuses(message, "name", "NULL, but with a size");
    message.as.record.name = zcodec_text(NULL);
    message.as.record.fields.items = NULL;
    refuses(message, "fields", "NULL, but with a count");
    CHECK(zre_log_msg_pack(&none, NULL, 0, &error) == 0);
    CHECK(error.message == NULL && strcmp(error.problem, "no message has this id") == 0);
}

static void hostile_hashes(void)
{
    enum { COUNT = 20000 };
    static zcodec_pair_t forwards[COUNT];
    static zcodec_pair_t backwards[COUNT];
    static char names[COUNT][8];
    zre_log_msg_t one = {0};
    zre_log_msg_t other = {0};
    zre_log_msg_t back;
    size_t size;
    size_t i;
    for (i = 0; i < COUNT; i++) {
        (void)snprintf(names[i], sizeof names[i], "%zu", i);
        forwards[i].name = zcodec_text(names[i]);
        forwards[i].value = zcodec_text("v");
        backwards[COUNT - 1 - i] = forwards[i];
    }
    one.id = other.id = ZRE_LOG_MSG_ADVERT;
    one.as.advert.headers.items = forwards;
    other.as.advert.headers.items = backwards;
    one.as.advert.headers.count = other.as.advert.headers.count = COUNT;
    CHECK(zre_log_msg_equal(&one, &other));
    size = zre_log_msg_pack(&one, NULL, 0, NULL);
    count_anew();
    CHECK(through_the_wire(&other, &back));
    CHECK(zre_log_msg_equal(&one, &back));
    zre_log_msg_clear(&back);
    CHECK(allocated - size < 40 * size);
    backwards[7].value = zcodec_text("w");
    CHECK(!zre_log_msg_equal(&one, &other));
    backwards[7].value = zcodec_text("v");
    for (i = 0; i < COUNT; i++) {
        forwards[i].name = zcodec_text(i % 2 == 0 ? "even" : "odd");
        forwards[i].value = zcodec_text(names[i]);
    }
    CHECK(through_the_wire(&one, &back));
    CHECK(back.as.advert.headers.count == 2);
    CHECK(is_text(back.as.advert.headers.items[0].name, "even", 4));
    CHECK(is_text(back.as.advert.headers.items[0].value, "19998", 5));
    CHECK(is_text(back.as.advert.headers.items[1].value, "19999", 5));
    zre_log_msg_clear(&back);
    CHECK(held == 0);
}

static void text_that_is_not_utf8_can_be_replaced(void)
{
    static const uint8_t log[] = "\xAA\xA2\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\x07"
                                 "a\xE2\x82"
                                 "b\xFF\xC3\xA9";
    zcodec_octets_t frame = zcodec_octets_of(log, sizeof log - 1);
    zcodec_options_t options = {true, NULL, 0};
    zcodec_decode_error_t error;
    zre_log_msg_t back;
    CHECK(!zre_log_msg_decode(&back, &frame, 1, NULL, &error));
    CHECK(error.reason == ZCODEC_UTF8 && error.offset == 19);
    CHECK(zre_log_msg_decode(&back, &frame, 1, &options, NULL));
    CHECK(is_text(back.as.log.data, "a\357\277\275b\357\277\275\303\251", 10));
    zre_log_msg_clear(&back);
}

static void text_is_cut_between_characters(void)
{
    zcodec_text_t text = zcodec_text("a\xE2\x82\xAC");
    CHECK(zcodec_text_cut(text, 4).size == 4);
    CHECK(zcodec_text_cut(text, 3).size == 1);
    CHECK(zcodec_text_cut(text, 1).size == 1);
    CHECK(zcodec_text_cut(text, 0).size == 0);
}

static void printing(void)
{
    static const char wanted[] = "LOG(level=0, event=0, node_id=0, peer_id=0, time=18446744073709551615, "
                                 "data=\"\\\"\\\\\\x1b\\xc2\\x9b\xC3\xA9\")";
    zre_log_msg_log_t log = {0};
    char text[200];
    char few[10];
    log.time = UINT64_MAX;
    log.data = zcodec_text("\"\\\x1B\xC2\x9B\xC3\xA9");
    CHECK(zre_log_msg_log_print(&log, text, sizeof text) == strlen(wanted));
    CHECK(strcmp(text, wanted) == 0);
    CHECK(zre_log_msg_log_print(&log, few, sizeof few) == strlen(wanted));
    CHECK(strncmp(few, wanted, 9) == 0 && few[9] == '\0');
    CHECK(zre_log_msg_log_print(&log, NULL, 0) == strlen(wanted));
}

static void frames_are_not_copied_to_be_sent(void)
{
    static const zcodec_octets_t pages[] = {{(const uint8_t *)"one", 3}, {NULL, 0}};
    zcodec_encoded_t encoded = {0};
    zcodec_encode_error_t error;
    everything_t message = {0};
    everything_t back;
    message.id = EVERYTHING_PARCEL;
    message.as.parcel.wrapped.weight = 7;
    message.as.parcel.wrapped.cover = zcodec_octets_of("cover", 5);
    message.as.parcel.wrapped.pages.items = pages;
    message.as.parcel.wrapped.pages.count = 2;
    CHECK(everything_encode(&message, &encoded, NULL));
    CHECK(encoded.count == 4);
    CHECK(encoded.frames[1].data == message.as.parcel.wrapped.cover.data && encoded.frames[3].size == 0);
    CHECK(everything_decode(&back, encoded.frames, encoded.count, NULL, NULL));
    CHECK(everything_equal(&message, &back));
    everything_clear(&back);
    {
        zcodec_decode_error_t bad;
        CHECK(!everything_decode(&back, encoded.frames, 1, NULL, &bad));
        CHECK(bad.reason == ZCODEC_FRAMES && bad.offset == encoded.frames[0].size);
    }
    message.id = EVERYTHING_CLIENTS;
    memset(&message.as, 0, sizeof message.as);
    message.as.clients.client.home.street = zcodec_text("\xFF");
    CHECK(!everything_encode(&message, &encoded, &error));
    CHECK(strcmp(error.field, "client.home.street") == 0);
    zcodec_encoded_clear(&encoded);
}

static void earlier_versions(void)
{
    static const uint8_t octets[] = {0xAA, 0xA0, 1, 1, 'x'};
    zcodec_octets_t frame = zcodec_octets_of(octets, sizeof octets);
    grown_t back;
    CHECK(grown_decode(&back, &frame, 1, NULL, NULL));
    CHECK(back.as.grown.version == 0 && is_text(back.as.grown.label, "", 0));
    grown_clear(&back);
}

static void topics(void)
{
    uint8_t octets[16];
    zcodec_encode_error_t error;
    zcodec_encoded_t encoded = {0};
    feed_halt_t halt = {0};
    CHECK(feed_subscription(FEED_BOOK, zcodec_text("eu."), octets, sizeof octets, NULL) == 4);
    CHECK(memcmp(octets, "\007eu.", 4) == 0);
    CHECK(feed_subscription(99, zcodec_text(""), octets, sizeof octets, &error) == 0);
    halt.topic = zcodec_text_of("a\0b", 3);
    CHECK(!feed_halt_encode(&halt, &encoded, &error));
    CHECK(strcmp(error.field, "topic") == 0);
    zcodec_encoded_clear(&encoded);
}

static void names(void)
{
    CHECK(strcmp(zre_log_msg_name(ZRE_LOG_MSG_BATCH), "BATCH") == 0);
    CHECK(zre_log_msg_name(0) == NULL);
    CHECK(ZRE_LOG_MSG_VERSION == 2 && EVERYTHING_BELOW_ZERO == -1 && EVERYTHING_LIMIT_HEX == 255);
    CHECK(strcmp(EVERYTHING_GREETING, "hello \"you\"") == 0);
    CHECK(ZRE_MSG_HELLO == 1);
}

int main(void)
{
    octets_are_those_of_the_specification();
    zeros_are_a_message();
    a_nul_inside_text_survives();
    a_message_is_one_block();
    encoding_again_allocates_nothing();
    bad_frames_allocate_nothing();
    no_frames_are_an_empty_one();
    memory_of_the_caller();
    memory_runs_out();
    what_does_not_fit_is_refused();
    hostile_hashes();
    text_that_is_not_utf8_can_be_replaced();
    text_is_cut_between_characters();
    printing();
    frames_are_not_copied_to_be_sent();
    earlier_versions();
    topics();
    names();
    (void)printf("%d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
