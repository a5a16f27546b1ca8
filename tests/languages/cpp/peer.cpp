/*
 * The socket helpers in C++, for languages.exchange: `peer COUNT` sends back as many messages of the model `everything`, then
 * refuses what is none, sends the last one again, and serves one subscription to the model `feed`.
 */
#include "everything_socket.hpp"
#include "feed_socket.hpp"

#include <cstdio>
#include <iostream>

namespace {

void must(bool condition, const char *what)
{
    if (!condition) {
        throw std::logic_error(what);
    }
}

/** A bound socket, closed at the end. */
class Socket {
public:
    Socket(void *context, int type) : socket_(zmq_socket(context, type))
    {
        const int wait_ms = 20000;
        zmq_setsockopt(socket_, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms);
        zmq_bind(socket_, "tcp://127.0.0.1:*");
    }

    Socket(const Socket &) = delete;
    Socket &operator=(const Socket &) = delete;

    ~Socket()
    {
        zmq_close(socket_);
    }

    [[nodiscard]] void *handle() const
    {
        return socket_;
    }

    [[nodiscard]] std::string endpoint() const
    {
        std::string text(256, '\0');
        std::size_t size = text.size();
        zmq_getsockopt(socket_, ZMQ_LAST_ENDPOINT, text.data(), &size);
        return text.substr(0, size - 1);
    }

private:
    void *socket_;
};

void echo(void *router, int count)
{
    std::optional<zcodec::Received<everything::Message>> received;
    for (; count > 0; count--) {
        received = everything::receive(router);
        must(everything::send(router, received.value().message, &received->identity.value()), "no room");
    }
    try {
        (void)everything::receive(router);
    } catch (const zcodec::DecodeError &error) {
        std::cout << "refused " << error.what() << " from ";
        for (const auto octet : error.identity.value()) {
            std::printf("%02x", static_cast<unsigned>(octet));
        }
        std::fflush(stdout);
        std::cout << std::endl;
    }
    try {
        everything::send(router, received->message); /* to whom? */
        must(false, "sent to nobody");
    } catch (const zcodec::SocketError &error) {
        must(error.code().value() == EINVAL, error.what());
    }
    everything::send(router, received->message, &received->identity.value());
    must(!everything::receive(router, ZMQ_DONTWAIT), "something to receive");
}

void publish(void *xpub)
{
    auto subscription = feed::receive_subscription(xpub).value();
    std::cout << (subscription.subscribe ? "subscribe " : "unsubscribe ") << feed_name(subscription.id) << " " << subscription.topic << std::endl;
    feed::Halt halt;
    halt.topic = subscription.topic;
    feed::send(xpub, halt);
    feed::Tick tick;
    tick.topic = "price";
    tick.price = std::uint64_t{1} << 63U;
    tick.symbol = "ZMQ";
    feed::send(xpub, tick);
    subscription = feed::receive_subscription(xpub).value();
    std::cout << (subscription.subscribe ? "subscribe " : "unsubscribe ") << feed_name(subscription.id) << " " << subscription.topic << std::endl;
}

} // namespace

int main(int argc, char **argv)
{
    void *context = zmq_ctx_new();
    try {
        const Socket router(context, ZMQ_ROUTER);
        const Socket xpub(context, ZMQ_XPUB);
        std::setvbuf(stdout, nullptr, _IOLBF, 0);
        std::cout << router.endpoint() << " " << xpub.endpoint() << std::endl;
        echo(router.handle(), std::stoi(argc == 2 ? argv[1] : ""));
        publish(xpub.handle());
    } catch (const std::exception &error) {
        std::cerr << error.what() << std::endl;
        return 1;
    }
    zmq_ctx_term(context);
    std::cout << "done" << std::endl;
    return 0;
}
