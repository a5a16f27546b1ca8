/* What the generated C++ codecs promise: values that own what they hold, and errors as exceptions or results. */
#include "everything.hpp"
#include "feed.hpp"
#include "grown.hpp"
#include "zre_log_msg.hpp"

#include <iostream>
#include <limits>

namespace {

int failures = 0;

#define CHECK(condition) check((condition), #condition, __LINE__)

void check(bool passed, const char *what, int line)
{
    if (!passed) {
        std::cerr << "line " << line << ": " << what << "\n";
        failures++;
    }
}

template <class Error, class Call>
std::optional<Error> thrown(Call call)
{
    try {
        call();
    } catch (const Error &error) {
        return error;
    }
    return std::nullopt;
}

zre_log_msg::Record record()
{
    zre_log_msg::Record record;
    record.severity = zre_log_msg::SEVERITY_ERROR;
    record.sequence = std::numeric_limits<std::uint64_t>::max();
    record.node[15] = 7;
    record.text = std::string("a\0b", 3);
    record.fields = {{"joint", "3"}, {"empty", ""}};
    return record;
}

void values()
{
    const zre_log_msg::Message sent = record();
    const auto back = zre_log_msg::decode(zre_log_msg::encode(sent));
    CHECK(back == sent);
    CHECK(std::get<zre_log_msg::Record>(back).text.size() == 3);
    CHECK(zre_log_msg::name(back) == "RECORD");
    auto other = record();
    other.fields["joint"] = "4";
    CHECK(other != record());
    CHECK(zre_log_msg::Message(other) != sent);
    CHECK(zre_log_msg::Message(zre_log_msg::Ping{}) != sent);
    CHECK(zre_log_msg::SIGNATURE == "\xAA\xA2");
    CHECK(everything::GREETING == "hello \"you\"" && everything::BELOW_ZERO == -1);
}

void errors()
{
    const auto frames = zre_log_msg::encode(record());
    const auto cut = thrown<zcodec::DecodeError>([&] { return zre_log_msg::decode(frames[0].data(), 50); });
    CHECK(cut && cut->reason() == zcodec::Reason::truncated && cut->offset() == 48 && cut->message() == "RECORD");
    CHECK(cut && std::string(cut->what()) == "RECORD: truncated at offset 48");
    const auto result = zre_log_msg::try_decode(frames[0].data(), 2);
    CHECK(!result && !result.error().message() && result.error().offset() == 2);
    CHECK(thrown<zcodec::DecodeError>([&] { return result.value(); }).has_value());
    CHECK(zre_log_msg::try_decode({}).error().reason() == zcodec::Reason::truncated);
    CHECK(zre_log_msg::try_decode(frames)->index() == 1);
    auto bad = record();
    bad.host = std::string(256, 'x');
    const auto refused = thrown<zcodec::EncodeError>([&] { return encode(bad); });
    CHECK(refused && refused->field() == "host" && refused->problem() == "more than 255 octets");
    CHECK(refused && std::string(refused->what()) == "RECORD.host: more than 255 octets");
}

void text_that_is_not_utf8()
{
    zre_log_msg::Log log;
    log.data = "x";
    auto frames = encode(log);
    frames[0].back() = 0xFF;
    CHECK(zre_log_msg::try_decode(frames).error().reason() == zcodec::Reason::utf8);
    CHECK(std::get<zre_log_msg::Log>(zre_log_msg::decode(frames, zcodec::Text::replace)).data == "\xEF\xBF\xBD");
}

void composites_and_frames()
{
    everything::Parcel parcel;
    parcel.wrapped.cover = {1, 2};
    parcel.wrapped.pages = {{}, {3}};
    const auto frames = encode(parcel);
    CHECK(frames.size() == 4 && frames[1] == zcodec::Octets({1, 2}) && frames[2].empty());
    CHECK(everything::decode(frames) == everything::Message(parcel));
    everything::Clients clients;
    clients.client.home.street = "\xFF";
    const auto refused = thrown<zcodec::EncodeError>([&] { return encode(clients); });
    CHECK(refused && refused->field() == "client.home.street");
}

void printing()
{
    zre_log_msg::Ping ping;
    CHECK(to_string(ping).rfind("PING(", 0) == 0);
    CHECK(zre_log_msg::to_string(zre_log_msg::Message(ping)) == to_string(ping));
}

void topics()
{
    CHECK(feed::subscription(feed::Book::ID, "eu") == zcodec::Octets({7, 'e', 'u'}));
    CHECK(thrown<zcodec::EncodeError>([] { return feed::subscription(99); }).has_value());
    feed::Halt halt;
    halt.topic = "eu";
    CHECK(feed::decode(encode(halt)) == feed::Message(halt));
}

} // namespace

int main()
{
    values();
    errors();
    text_that_is_not_utf8();
    composites_and_frames();
    printing();
    topics();
    std::cout << failures << " failures\n";
    return failures == 0 ? 0 : 1;
}
