package wire;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/** What Java programmers do with a codec, beside what the vectors say. */
class CodecTest {
  private static final ZreLogMsg.Log LOG =
      ZreLogMsg.Log.builder().level(ZreLogMsg.LOG_LEVEL_INFO).time(-1).data("Good °").build();

  @Test
  void theConstantsOfTheModel() {
    assertEquals(2, ZreLogMsg.VERSION);
    assertEquals(-1, Everything.BELOW_ZERO);
    assertEquals("hello \"you\"", Everything.GREETING);
    assertEquals("it's \"so\" 'here'", Corners.QUOTES);
    assertEquals(Bytes.ofHex("aaa2"), ZreLogMsg.SIGNATURE);
    assertEquals(1, ZreLogMsg.Log.ID);
    assertEquals("LOG", LOG.messageName());
  }

  @Test
  void nothingIsSetUnlessSaid() throws DecodeException {
    ZreMsg.Message hello = ZreMsg.Hello.builder().build();
    assertEquals(hello, ZreMsg.decode(hello.encode()));
    Everything.Blobs blobs = Everything.Blobs.builder().build();
    assertEquals(Bytes.ofHex("00000000"), blobs.flags());
    assertEquals(new UUID(0, 0), blobs.id());
    assertEquals("", Everything.Clients.builder().build().client().home().street());
  }

  @Test
  void numbersAreUnsigned() throws DecodeException {
    Everything.Numbers numbers =
        new Everything.Numbers(0xFFFF, 0xFF, 0xFFFF, 0xFFFFFFFFL, 0xFFFFFFFFFFFFFFFFL);
    assertEquals(numbers, Everything.decode(numbers.encode()));
    assertEquals(
        "Numbers[sequence=65535, tiny=255, small=65535, medium=4294967295,"
            + " large=18446744073709551615]",
        numbers.toString());
  }

  @Test
  void equalMeansEqualFields() {
    ZreLogMsg.Log same = LOG.toBuilder().build();
    assertEquals(LOG, same);
    assertEquals(LOG.hashCode(), same.hashCode());
    assertNotEquals(LOG, LOG.toBuilder().event(1).build());
    assertEquals(
        "Log[level=3, event=0, nodeId=0, peerId=0, time=18446744073709551615, data=Good °]",
        LOG.toString());
    assertEquals(
        "Blobs[sequence=0, flags=01020304, key=000000, body=, remark=,"
            + " id=00000000-0000-0000-0000-000000000000, address=, after=0, label=, content=[ff]]",
        Everything.Blobs.builder()
            .flags(Bytes.ofHex("01020304"))
            .content(List.of(Bytes.ofHex("ff")))
            .build()
            .toString());
  }

  @Test
  void recordsDoNotChange() {
    Map<String, String> fields = new HashMap<>(Map.of("a", "1"));
    ZreLogMsg.Record written = ZreLogMsg.Record.builder().fields(fields).build();
    fields.put("b", "2");
    assertEquals(Map.of("a", "1"), written.fields());
    assertThrows(UnsupportedOperationException.class, () -> written.fields().put("b", "2"));
    byte[] octets = {1, 2};
    Bytes bytes = Bytes.of(octets);
    octets[0] = 9;
    bytes.toByteArray()[1] = 9;
    assertEquals(Bytes.ofHex("0102"), bytes);
    assertEquals(0x102, bytes.asByteBuffer().getShort());
  }

  @Test
  void aHashKeepsItsOrder() throws DecodeException {
    Map<String, String> fields = new LinkedHashMap<>();
    for (int number = 20; number > 0; number--) {
      fields.put("field " + number, "" + number);
    }
    byte[] frame = ZreLogMsg.Record.builder().fields(fields).build().encode();
    ZreLogMsg.Record read = (ZreLogMsg.Record) ZreLogMsg.decode(frame);
    assertEquals(new ArrayList<>(fields.keySet()), new ArrayList<>(read.fields().keySet()));
    assertArrayEquals(frame, read.encode());
  }

  @Test
  void whatCannotBeEncoded() {
    refused("level", "256 is not in 0 to 255", LOG.toBuilder().level(256).build());
    refused("nodeId", "-1 is not in 0 to 65535", LOG.toBuilder().nodeId(-1).build());
    refused("data", "256 octets are more than 255", LOG.toBuilder().data("°".repeat(128)).build());
    String problem = "can't be encoded in UTF-8: a surrogate without its pair";
    for (String text : List.of("a\uD83D", "\uDC0D\uD83D", "\uDC0D")) {
      refused("data", problem, LOG.toBuilder().data(text).build());
    }
    Everything.Place place = Everything.Place.builder().grid(Bytes.ofHex("01")).build();
    Everything.Person person = Everything.Person.builder().home(place).build();
    refused(
        "client.home.grid",
        "must be 2 octets, not 1",
        Everything.Clients.builder().client(person).build());
    refused("topic", "must not contain a zero", Feed.Halt.builder().topic("a\0b").build());
    assertThrows(NullPointerException.class, () -> LOG.toBuilder().data(null).build());
    Map<String, String> none = new HashMap<>();
    none.put("a", null);
    assertThrows(NullPointerException.class, () -> new ZreLogMsg.Advert(none));
  }

  private static void refused(String field, String problem, Everything.Message message) {
    refused(field, problem, assertThrows(EncodeException.class, message::encode));
  }

  private static void refused(String field, String problem, Feed.Message message) {
    refused(field, problem, assertThrows(EncodeException.class, message::frames));
  }

  private static void refused(String field, String problem, ZreLogMsg.Message message) {
    refused(field, problem, assertThrows(EncodeException.class, message::frames));
  }

  private static void refused(String field, String problem, EncodeException error) {
    assertEquals(field, error.field());
    assertEquals(problem, error.problem());
    assertEquals(error.messageName() + "." + field + ": " + problem, error.getMessage());
  }

  @Test
  void oneErrorForAllThatIsNone() {
    byte[] frame = LOG.encode();
    DecodeException error =
        assertThrows(
            DecodeException.class, () -> ZreLogMsg.decode(Arrays.copyOf(frame, frame.length - 1)));
    assertEquals(DecodeException.Reason.TRUNCATED, error.reason());
    assertEquals(18, error.offset());
    assertEquals(Optional.of("LOG"), error.messageName());
    assertEquals(Optional.empty(), error.identity());
    assertEquals("LOG: truncated at offset 18", error.getMessage());
    error = assertThrows(DecodeException.class, () -> ZreLogMsg.decode(new byte[] {1}));
    assertEquals("frame: signature at offset 0", error.getMessage());
    assertEquals(Optional.empty(), error.messageName());
  }

  @Test
  void whatIsNotUtf8CanBeReplaced() throws DecodeException {
    byte[] frame = HexFormat.of().parseHex("aaa2010303000000000000000053971b750261e2");
    assertThrows(DecodeException.class, () -> ZreLogMsg.decode(frame));
    ZreLogMsg.Log read = (ZreLogMsg.Log) ZreLogMsg.decodeLenient(frame, List.of());
    assertEquals("a\uFFFD", read.data());
    frame[frame.length - 1] = 'b';
    assertEquals("ab", ((ZreLogMsg.Log) ZreLogMsg.decode(frame)).data());
  }

  @Test
  void aReplacementCharacterIsText() throws DecodeException {
    ZreLogMsg.Log log = LOG.toBuilder().data("\uFFFD 🐍").build();
    assertEquals(log, ZreLogMsg.decode(log.encode()));
  }

  @Test
  void everyMessageCanBeTold() throws DecodeException {
    Object told = null;
    ZreMsg.Message message = ZreMsg.decode(ZreMsg.Join.builder().group("CHAT").build().encode());
    if (message instanceof ZreMsg.Join join) {
      told = join.group();
    }
    assertEquals("CHAT", told);
  }

  @Test
  void aTopicToSubscribeTo() {
    assertArrayEquals(new byte[] {1, 'Z', 'M'}, Feed.Tick.subscription("ZM"));
    EncodeException error =
        assertThrows(EncodeException.class, () -> Feed.Tick.subscription("a\0"));
    assertEquals("topic", error.field());
  }
}
