package wire;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * The vectors of the protocol folder: a name, a question to the driver and its answer on each line.
 */
class VectorsTest {
  @TestFactory
  Stream<DynamicTest> vectors() throws IOException {
    return Files.lines(Path.of(System.getProperty("vectors")))
        .map(line -> line.split("\t", -1))
        .map(words -> dynamicTest(words[0], () -> check(words[1], words[2])));
  }

  private static void check(String question, String expected) {
    String answer = ConformanceDriver.answer(question);
    if (answer.startsWith("ok ") && question.startsWith("decode ")) {
      answer = answer.substring(0, answer.lastIndexOf(' ')); // without the encoding
    }
    assertEquals(expected, answer);
  }
}
