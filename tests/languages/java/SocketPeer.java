import java.util.Optional;
import org.zeromq.SocketType;
import org.zeromq.ZContext;
import org.zeromq.ZMQ;
import wire.Bytes;
import wire.DecodeException;
import wire.Everything;
import wire.EverythingSocket;
import wire.Feed;
import wire.FeedSocket;

/** The part of Java in an exchange by socket helpers; see exchange.py. */
public final class SocketPeer {
  private SocketPeer() {}

  public static void main(String[] arguments) throws DecodeException {
    try (ZContext context = new ZContext()) {
      context.setLinger(10_000);
      ZMQ.Socket router = context.createSocket(SocketType.ROUTER);
      ZMQ.Socket xpub = context.createSocket(SocketType.XPUB);
      router.bind("tcp://127.0.0.1:*");
      xpub.bind("tcp://127.0.0.1:*");
      if (EverythingSocket.receive(router, ZMQ.DONTWAIT).isPresent()) {
        throw new AssertionError("there is no message yet");
      }
      System.out.println(router.getLastEndpoint() + " " + xpub.getLastEndpoint());
      Bytes identity = null;
      Everything.Message last = null;
      for (int left = Integer.parseInt(arguments[0]); left > 0; left--) {
        Optional<EverythingSocket.Received> received = EverythingSocket.receive(router);
        identity = received.orElseThrow().identity().orElseThrow();
        last = received.orElseThrow().message();
        EverythingSocket.send(router, identity, last);
      }
      try {
        EverythingSocket.receive(router);
      } catch (DecodeException error) {
        System.out.println(
            "refused " + error.getMessage() + " from " + error.identity().orElseThrow());
      }
      try {
        EverythingSocket.send(router, last);
        throw new AssertionError("a ROUTER can't send without an identity");
      } catch (IllegalArgumentException error) {
        EverythingSocket.send(router, identity, last);
      }
      FeedSocket.Subscription subscription = subscription(xpub);
      FeedSocket.send(xpub, new Feed.Halt(subscription.topic()));
      FeedSocket.send(xpub, new Feed.Tick(subscription.topic() + "ce", Long.MIN_VALUE, "ZMQ"));
      subscription(xpub);
    }
    System.out.println("done");
  }

  private static FeedSocket.Subscription subscription(ZMQ.Socket xpub) throws DecodeException {
    FeedSocket.Subscription heard = FeedSocket.receiveSubscription(xpub, 0).orElseThrow();
    String message = heard.messageId() == Feed.Tick.ID ? Feed.Tick.NAME : "another";
    String what = heard.subscribe() ? "subscribe" : "unsubscribe";
    System.out.println(what + " " + message + " " + heard.topic());
    return heard;
  }
}
