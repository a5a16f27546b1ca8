import java.net.InetAddress;
import java.time.Instant;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import org.zeromq.SocketType;
import org.zeromq.ZContext;
import org.zeromq.ZMQ;
import wire.ZreLogMsg;
import wire.ZreLogMsgSocket;

/** Sends ten records to a collector: {@code SendRecords tcp://HOST:PORT}, its live endpoint. */
public final class SendRecords {
  private static final int[] SEVERITIES = {
    ZreLogMsg.SEVERITY_INFO, ZreLogMsg.SEVERITY_WARN, ZreLogMsg.SEVERITY_ERROR
  };

  private SendRecords() {}

  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 1) {
      System.err.println("usage: run tcp://HOST:PORT");
      System.exit(2);
    }
    UUID node = UUID.randomUUID();
    long epoch = now();
    String host = InetAddress.getLocalHost().getHostName();
    Map<Integer, Long> sequences = new TreeMap<>(); // for each range of severities

    try (ZContext context = new ZContext()) {
      context.setLinger(5_000); // at the end: time to send what is still queued
      ZMQ.Socket live = context.createSocket(SocketType.XPUB);
      live.setReceiveTimeOut(10_000);
      live.connect(arguments[0]);
      if (!isReady(live)) {
        System.err.println("no collector at " + arguments[0] + " within 10 seconds");
        System.exit(1);
      }
      for (int number = 1; number <= 10; number++) {
        int severity = SEVERITIES[number % SEVERITIES.length];
        int range = severity - (severity - 1) % 4;
        ZreLogMsg.Record message =
            ZreLogMsg.Record.builder()
                .severity(severity)
                .node(node)
                .epoch(epoch)
                .sequence(sequences.merge(range, 1L, Long::sum))
                .time(now())
                .host(host)
                .name("java")
                .logger("example.java")
                .text("motor " + number + " is at " + (20 + number) + " °C")
                .fields(Map.of("motor", Integer.toString(number)))
                .build();
        ZreLogMsgSocket.send(live, message);
      }
    }
    System.out.println("sent 10 records");
  }

  /** A collector subscribes to its ready marker last: the octets AA A2 FF, then its UUID. */
  private static boolean isReady(ZMQ.Socket live) {
    while (true) {
      byte[] heard = live.recv();
      if (heard == null) {
        return false;
      }
      if (heard.length == 20 && heard[0] == 1 && heard[3] == (byte) 0xFF) {
        return true;
      }
    }
  }

  /** Nanoseconds since 1970. */
  private static long now() {
    Instant now = Instant.now();
    return now.getEpochSecond() * 1_000_000_000L + now.getNano();
  }
}
