using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using NUnit.Framework;

namespace Wire
{
    /// <summary>The vectors: a name, a question to the driver and its answer on each line.</summary>
    [TestFixture]
    public class VectorsTest
    {
        public static IEnumerable<TestCaseData> Vectors()
        {
            return from line in File.ReadLines(Environment.GetEnvironmentVariable("VECTORS"))
                   let words = line.Split('\t')
                   select new TestCaseData(words[1], words[2]).SetName(words[0]);
        }

        [TestCaseSource("Vectors")]
        public void Vector(string question, string expected)
        {
            string answer = ConformanceDriver.Answer(question);
            if (answer.StartsWith("ok ") && question.StartsWith("decode "))
            {
                answer = answer.Substring(0, answer.LastIndexOf(' ')); // without the encoding
            }
            Assert.AreEqual(expected, answer);
        }
    }

    /// <summary>What C# programmers do with a codec, beside what the vectors say.</summary>
    [TestFixture]
    public class CodecTest
    {
        private static ZreLogMsg.Log NewLog()
        {
            return new ZreLogMsg.Log { Level = ZreLogMsg.LogLevelInfo, Time = ulong.MaxValue, Data = "Good °" };
        }

        [Test]
        public void TheConstantsOfTheModel()
        {
            Assert.AreEqual(2, ZreLogMsg.Version);
            Assert.AreEqual(-1, Everything.BelowZero);
            Assert.AreEqual("hello \"you\"", Everything.Greeting);
            Assert.AreEqual("it's \"so\" 'here'", Corners.Quotes);
            Assert.AreEqual(new byte[] { 0xAA, 0xA2 }, ZreLogMsg.Signature);
            Assert.AreEqual(1, ZreLogMsg.Log.WireId);
            Assert.AreEqual("LOG", NewLog().MessageName);
        }

        [Test]
        public void NothingIsSetUnlessSaid()
        {
            var hello = new ZreMsg.Hello();
            Assert.AreEqual(hello, ZreMsg.Decode(hello.Encode()));
            var blobs = new Everything.Blobs();
            Assert.AreEqual(new byte[4], blobs.Flags);
            Assert.AreEqual(Guid.Empty, blobs.Id);
            Assert.AreEqual("", new Everything.Clients().Client.Home.Street);
        }

        [Test]
        public void NumbersAreUnsigned()
        {
            var numbers = new Everything.Numbers
            {
                Sequence = ushort.MaxValue,
                Tiny = byte.MaxValue,
                Small = ushort.MaxValue,
                Medium = uint.MaxValue,
                Large = ulong.MaxValue
            };
            Assert.AreEqual(numbers, Everything.Decode(numbers.Encode()));
            const string text = "Numbers { Sequence = 65535, Tiny = 255, Small = 65535, Medium = 4294967295,"
                                + " Large = 18446744073709551615 }";
            Assert.AreEqual(text, numbers.ToString());
        }

        [Test]
        public void EqualMeansEqualFields()
        {
            ZreLogMsg.Log log = NewLog();
            Assert.AreEqual(NewLog(), log);
            Assert.AreEqual(NewLog().GetHashCode(), log.GetHashCode());
            log.Event = 1;
            Assert.AreNotEqual(NewLog(), log);
            Assert.AreNotEqual(log, null);
            Assert.AreNotEqual(new ZreLogMsg.Ping(), new ZreLogMsg.Pong());
            var one = new ZreLogMsg.Record { Fields = { { "a", "1" }, { "b", "2" } } };
            var other = new ZreLogMsg.Record { Fields = { { "b", "2" }, { "a", "1" } } };
            Assert.AreEqual(one, other);
            Assert.AreEqual(one.GetHashCode(), other.GetHashCode());
            other.Fields["a"] = "2";
            Assert.AreNotEqual(one, other);
            Assert.AreNotEqual(new Everything.Clients { Client = null }, new Everything.Clients());
        }

        [Test]
        public void APrintableForm()
        {
            var blobs = new Everything.Blobs { Flags = new byte[] { 1, 2, 3, 4 }, Content = { new byte[] { 255 } } };
            const string text = "Blobs { Sequence = 0, Flags = 01020304, Key = 000000, Body = , Remark = ,"
                                + " Id = 00000000-0000-0000-0000-000000000000, Address = , After = 0, Label = ,"
                                + " Content = [ff] }";
            Assert.AreEqual(text, blobs.ToString());
            var texts = new Everything.Texts { Many = { "a", "b" }, Table = { { "name", "value" } }, Long = null };
            const string quoted = "Texts { Sequence = 0, Short = \"\", Long = null, Many = [\"a\", \"b\"],"
                                  + " Table = { \"name\" = \"value\" } }";
            Assert.AreEqual(quoted, texts.ToString());
            Assert.AreEqual("Halt { Topic = \"x\" }", new Feed.Halt { Topic = "x" }.ToString());
            Assert.AreEqual("Hello { }", new Plain.Hello().ToString());
        }

        [Test]
        public void AGuidIsInTheOrderOfItsText()
        {
            var record = new ZreLogMsg.Record { Node = Guid.Parse("3a60e685-0a1e-4cc1-5f3b-fd4b42bc6b3e") };
            byte[] frame = record.Encode();
            Assert.AreEqual("3A-60-E6-85-0A-1E-4C-C1-5F-3B-FD-4B-42-BC-6B-3E", BitConverter.ToString(frame, 5, 16));
            Assert.AreEqual(record, ZreLogMsg.Decode(frame));
        }

        [Test]
        public void WhatCannotBeEncoded()
        {
            Refused("Data", "256 octets are more than 255", new ZreLogMsg.Log { Data = new string('é', 128) });
            Refused("Data", "must not be null", new ZreLogMsg.Log { Data = null });
            const string problem = "can't be encoded in UTF-8: a surrogate without its pair";
            foreach (string text in new[] { "a\ud83d", "\udc0d\ud83d", "\udc0d" })
            {
                Refused("Data", problem, new ZreLogMsg.Log { Data = text });
            }
            var clients = new Everything.Clients();
            clients.Client.Home.Grid = new byte[1];
            Refused("Client.Home.Grid", "must be 2 octets, not 1", clients);
            clients.Client.Home = null;
            Refused("Client.Home", "must not be null", clients);
            var halt = new Feed.Halt { Topic = "a\0b" };
            Refused("Topic", "must not contain a zero", () => halt.Encode());
            Refused("Content", "must not be null", new Everything.Blobs { Content = { null } });
            Refused("Address", "must not be null", new Everything.Blobs { Address = null });
            Refused("Fields", "must not be null", new ZreLogMsg.Record { Fields = { { "a", null } } });
        }

        private static void Refused(string field, string problem, ZreLogMsg.Message message)
        {
            Refused(field, problem, () => message.Frames());
        }

        private static void Refused(string field, string problem, Everything.Message message)
        {
            Refused(field, problem, () => message.Frames());
        }

        private static void Refused(string field, string problem, TestDelegate encode)
        {
            var error = Assert.Throws<EncodeException>(encode);
            Assert.AreEqual(field, error.Field);
            Assert.AreEqual(problem, error.Problem);
            Assert.AreEqual($"{error.MessageName}.{field}: {problem}", error.Message);
        }

        [Test]
        public void OneErrorForAllThatIsNone()
        {
            byte[] frame = NewLog().Encode();
            Array.Resize(ref frame, frame.Length - 1);
            var error = Assert.Throws<DecodeException>(() => ZreLogMsg.Decode(frame));
            Assert.AreEqual(DecodeReason.Truncated, error.Reason);
            Assert.AreEqual(18, error.Offset);
            Assert.AreEqual("LOG", error.MessageName);
            Assert.IsNull(error.Identity);
            Assert.AreEqual("LOG: truncated at offset 18", error.Message);
            error = Assert.Throws<DecodeException>(() => ZreLogMsg.Decode(new byte[] { 1 }));
            Assert.AreEqual("frame: signature at offset 0", error.Message);
            Assert.IsNull(error.MessageName);
            Assert.Throws<ArgumentNullException>(() => ZreLogMsg.Decode(null));
        }

        [Test]
        public void WhatIsNotUtf8CanBeReplaced()
        {
            byte[] frame = new ZreLogMsg.Log { Data = "ab" }.Encode();
            frame[frame.Length - 1] = 0xE2;
            Assert.Throws<DecodeException>(() => ZreLogMsg.Decode(frame));
            var read = (ZreLogMsg.Log)ZreLogMsg.DecodeLenient(frame, null);
            Assert.AreEqual("a\ufffd", read.Data);
        }

        [Test]
        public void AHashKeepsItsOrder()
        {
            var record = new ZreLogMsg.Record();
            for (int number = 20; number > 0; number--)
            {
                record.Fields["field " + number] = number.ToString();
            }
            var read = (ZreLogMsg.Record)ZreLogMsg.Decode(record.Encode());
            Assert.AreEqual(record.Fields.Keys.ToList(), read.Fields.Keys.ToList());
        }

        [Test]
        public void ATopicToSubscribeTo()
        {
            Assert.AreEqual(new byte[] { 1, (byte)'Z', (byte)'M' }, Feed.Tick.Subscription("ZM"));
            Assert.AreEqual("Topic", Assert.Throws<EncodeException>(() => Feed.Tick.Subscription("a\0")).Field);
        }
    }
}
