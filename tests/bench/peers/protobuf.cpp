//  The fields of LOG and RECORD with protobuf in C++: bench_languages.py builds and runs it. Prints ns to encode and to
//  decode each.

#include "zre_log.pb.h"
#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>

template <typename Call> static long best(long count, Call call)
{
    double found = 1e18;
    for (int batch = 0; batch < 6; batch++) {
        auto began = std::chrono::steady_clock::now();
        for (long i = 0; i < count; i++)
            call();
        std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - began;
        if (batch)
            found = std::min(found, spent.count() / count);
    }
    return static_cast<long>(found);
}

template <typename Message> static void measure(const char *name, const Message &message, long count)
{
    const std::string octets = message.SerializeAsString();
    long size = 0;
    long encode = best(count, [&] { size += message.SerializeAsString().size(); });
    long decode = best(count, [&] {
        Message reader;
        if (!reader.ParseFromString(octets))
            std::exit(1);
        size += reader.event();
    });
    std::cout << name << ' ' << encode << ' ' << decode << (size ? "\n" : "");
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const long count = std::stol(argv[1]);
    zre_log::Log log;
    log.set_level(3);
    log.set_event(3);
    log.set_node_id(5521);
    log.set_peer_id(2448);
    log.set_time(1402411893);
    log.set_data(argv[2]);
    measure("LOG", log, count);

    zre_log::Record record;
    record.set_severity(17);
    record.set_node(std::string("\x3a\x60\xe6\x85\x0a\x1e\x4c\xc1\x5f\x3b\xfd\x4b\x42\xbc\x6b\x3e", 16));
    record.set_epoch(1763625600000000000);
    record.set_sequence(42);
    record.set_time(1763625607123456789);
    record.set_host("rover-2");
    record.set_name("arm");
    record.set_logger("arm.joint");
    record.set_text(argv[2]);
    (*record.mutable_fields())["code.file.path"] = "arm.py";
    (*record.mutable_fields())["code.line.number"] = "42";
    measure("RECORD", record, count);
}
