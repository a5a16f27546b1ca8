/* Sends ten records to a collector. See README.md beside this file. */
#include "zre_log_msg_socket.hpp"

#include <chrono>
#include <iostream>
#include <map>
#include <random>

#include <unistd.h>

namespace {

std::uint64_t now_ns()
{
    return static_cast<std::uint64_t>(std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
}

zcodec::Uuid random_uuid()
{
    std::random_device source;
    zcodec::Uuid uuid{};
    for (auto &octet : uuid) {
        octet = static_cast<std::uint8_t>(source());
    }
    return uuid;
}

/** An XPUB that a collector has subscribed to. */
class Link {
public:
    explicit Link(const std::string &endpoint)
    {
        set(ZMQ_LINGER, 10000); /* so that the last records arrive */
        set(ZMQ_XPUB_NODROP, 1);
        if (zmq_connect(socket_, endpoint.c_str()) != 0) {
            throw zcodec::SocketError();
        }
    }

    Link(const Link &) = delete;
    Link &operator=(const Link &) = delete;

    ~Link()
    {
        zmq_close(socket_);
        zmq_ctx_term(context_);
    }

    /** Wait for the collector: it is ready when it subscribes to AA A2 FF and its UUID. */
    void wait()
    {
        const std::string ready = "\x01\xAA\xA2\xFF";
        std::string subscription;
        do {
            subscription.assign(64, '\0');
            if (zmq_recv(socket_, subscription.data(), subscription.size(), 0) < 0) {
                throw zcodec::SocketError();
            }
        } while (subscription.compare(0, ready.size(), ready) != 0);
    }

    void send(const zre_log_msg::Message &message)
    {
        zre_log_msg::send(socket_, message);
    }

private:
    void set(int option, int value)
    {
        if (zmq_setsockopt(socket_, option, &value, sizeof value) != 0) {
            throw zcodec::SocketError();
        }
    }

    void *context_ = zmq_ctx_new();
    void *socket_ = zmq_socket(context_, ZMQ_XPUB);
};

void send_records(Link &link)
{
    constexpr std::uint8_t severities[] = {
        zre_log_msg::SEVERITY_INFO,
        zre_log_msg::SEVERITY_DEBUG,
        zre_log_msg::SEVERITY_WARN,
        zre_log_msg::SEVERITY_ERROR};
    std::map<std::uint8_t, std::uint64_t> sequences; /* each range of severities counts for itself */
    char host[256] = "localhost";
    gethostname(host, sizeof host - 1);
    zre_log_msg::Record record;
    record.node = random_uuid();
    record.epoch = now_ns();
    record.host = host;
    record.name = "cpp-example";
    record.logger = "example.cpp";
    for (int number = 1; number <= 10; number++) {
        record.severity = severities[(number - 1) % 4];
        record.sequence = ++sequences[record.severity];
        record.time = now_ns();
        record.text = "record " + std::to_string(number) + " of 10, at 12.5 °C";
        record.fields = {{"number", std::to_string(number)}};
        link.send(record);
    }
}

} // namespace

int main(int argc, char **argv)
{
    const std::string endpoint = argc > 1 ? argv[1] : "";
    if (endpoint.rfind("tcp://", 0) != 0) {
        std::cerr << "usage: send tcp://HOST:PORT\n";
        return 2;
    }
    try {
        Link link(endpoint);
        link.wait();
        send_records(link);
    } catch (const std::exception &error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
    std::cout << "sent 10 records to " << endpoint << "\n";
    return 0;
}
