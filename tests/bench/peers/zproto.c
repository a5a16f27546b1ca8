/*  LOG and RECORD with zproto's own C codec: bench_languages.py builds and runs it. Its class is made with virtual = "1",
    so that it reads and writes CZMQ's messages in memory instead of sockets. Prints ns to encode and to decode each.  */

#include "zre_log_msg.h"
#include <time.h>

#define BATCHES 6

static double now_ns (void)
{
    struct timespec time;
    clock_gettime (CLOCK_MONOTONIC, &time);
    return 1e9 * time.tv_sec + time.tv_nsec;
}

static void measure (const char *name, zre_log_msg_t *message, long count)
{
    double encode = 1e18, decode = 1e18;
    zmsg_t *encoded = zmsg_new ();
    zre_log_msg_send (message, encoded);
    zframe_t *frame = zmsg_first (encoded);
    for (int batch = 0; batch < BATCHES; batch++) {
        double began = now_ns ();
        for (long i = 0; i < count; i++) {
            zmsg_t *output = zmsg_new ();
            zre_log_msg_send (message, output);
            zmsg_destroy (&output);
        }
        double spent = (now_ns () - began) / count;
        encode = batch && spent < encode ? spent : encode;

        zre_log_msg_t *reader = zre_log_msg_new ();
        began = now_ns ();
        for (long i = 0; i < count; i++) {
            zmsg_t *input = zmsg_new ();
            zmsg_addmem (input, zframe_data (frame), zframe_size (frame));
            if (zre_log_msg_recv (reader, input))
                exit (1);
            zmsg_destroy (&input);
        }
        spent = (now_ns () - began) / count;
        decode = batch && spent < decode ? spent : decode;
        zre_log_msg_destroy (&reader);
    }
    zmsg_destroy (&encoded);
    printf ("%s %.0f %.0f\n", name, encode, decode);
}

int main (int argc, char **argv)
{
    if (argc != 3)
        return 2;
    long count = atol (argv [1]);
    zre_log_msg_t *log = zre_log_msg_new ();
    zre_log_msg_set_id (log, ZRE_LOG_MSG_LOG);
    zre_log_msg_set_level (log, 3);
    zre_log_msg_set_event (log, 3);
    zre_log_msg_set_node_id (log, 5521);
    zre_log_msg_set_peer_id (log, 2448);
    zre_log_msg_set_time (log, 1402411893);
    zre_log_msg_set_data (log, argv [2]);
    measure ("LOG", log, count);
    zre_log_msg_destroy (&log);

    zre_log_msg_t *record = zre_log_msg_new ();
    zre_log_msg_set_id (record, ZRE_LOG_MSG_RECORD);
    zre_log_msg_set_severity (record, 17);
    zre_log_msg_set_event (record, 0);
    zuuid_t *node = zuuid_new ();
    zre_log_msg_set_node (record, node);
    zuuid_destroy (&node);
    zre_log_msg_set_epoch (record, 1763625600000000000);
    zre_log_msg_set_sequence (record, 42);
    zre_log_msg_set_time (record, 1763625607123456789);
    zre_log_msg_set_host (record, "rover-2");
    zre_log_msg_set_name (record, "arm");
    zre_log_msg_set_logger (record, "arm.joint");
    zre_log_msg_set_text (record, argv [2]);
    zhash_t *fields = zhash_new ();
    zhash_insert (fields, "code.file.path", "arm.py");
    zhash_insert (fields, "code.line.number", "42");
    zre_log_msg_set_fields (record, &fields);
    measure ("RECORD", record, count);
    zre_log_msg_destroy (&record);
    return 0;
}
