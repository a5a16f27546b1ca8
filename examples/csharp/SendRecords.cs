using System;
using System.Collections.Generic;
using Wire;

/// <summary>Sends ten records to a collector: its live endpoint, tcp://HOST:PORT, is the argument.</summary>
internal static class SendRecords
{
    private static int Main(string[] arguments)
    {
        if (arguments.Length != 1)
        {
            Console.Error.WriteLine("usage: run tcp://HOST:PORT");
            return 2;
        }
        using (var context = new ZmqContext()) // its end waits until all is sent, for at most the Linger of the socket
        {
            return Send(context, arguments[0]);
        }
    }

    private static int Send(ZmqContext context, string endpoint)
    {
        Guid node = Guid.NewGuid();
        ulong epoch = Now();
        byte[] severities = { ZreLogMsg.SeverityInfo, ZreLogMsg.SeverityWarn, ZreLogMsg.SeverityError };
        var sequences = new Dictionary<int, ulong>(); // for each range of severities

        using (var live = new ZmqSocket(context, ZmqSocketType.XPub))
        {
            live.Linger = 5000;
            live.ReceiveTimeout = 10000;
            live.Connect(endpoint);
            if (!IsReady(live))
            {
                Console.Error.WriteLine($"no collector at {endpoint} within 10 seconds");
                return 1;
            }
            for (int number = 1; number <= 10; number++)
            {
                byte severity = severities[number % severities.Length];
                int range = severity - (severity - 1) % 4;
                ulong sequence;
                sequences.TryGetValue(range, out sequence);
                sequences[range] = ++sequence;
                live.Send(new ZreLogMsg.Record
                {
                    Severity = severity,
                    Node = node,
                    Epoch = epoch,
                    Sequence = sequence,
                    Time = Now(),
                    Host = Environment.MachineName,
                    Name = "csharp",
                    Logger = "example.csharp",
                    Text = $"motor {number} is at {20 + number} °C",
                    Fields = { { "motor", number.ToString() } }
                });
            }
        }
        Console.WriteLine("sent 10 records");
        return 0;
    }

    /// <summary>A collector subscribes to its ready marker last: the octets AA A2 FF, then its UUID.</summary>
    private static bool IsReady(ZmqSocket live)
    {
        while (true)
        {
            List<byte[]> heard = live.Receive();
            if (heard == null)
            {
                return false;
            }
            if (heard[0].Length == 20 && heard[0][0] == 1 && heard[0][3] == 0xFF)
            {
                return true;
            }
        }
    }

    /// <summary>Nanoseconds since 1970.</summary>
    private static ulong Now()
    {
        return (ulong)(DateTime.UtcNow - new DateTime(1970, 1, 1)).Ticks * 100;
    }
}
