using System;
using Wire;

/// <summary>The part of C# in an exchange by socket helpers; see exchange.py.</summary>
internal static class SocketPeer
{
    private static void Main(string[] arguments)
    {
        using (var context = new ZmqContext())
        {
            Exchange(context, int.Parse(arguments[0]));
        }
        Console.WriteLine("done");
    }

    private static void Exchange(ZmqContext context, int count)
    {
        var router = new ZmqSocket(context, ZmqSocketType.Router);
        var xpub = new ZmqSocket(context, ZmqSocketType.XPub);
        using (router)
        {
            router.Linger = xpub.Linger = 10000;
            router.ReceiveTimeout = 0;
            Check(EverythingSocket.Receive(router) == null, "there is no message yet");
            router.ReceiveTimeout = -1;
            router.Bind("tcp://127.0.0.1:*");
            xpub.Bind("tcp://127.0.0.1:*");
            Console.WriteLine($"{router.LastEndpoint} {xpub.LastEndpoint}");
            Echo(router, count);
        }
        using (xpub)
        {
            FeedSocket.Subscription heard = Subscription(xpub);
            xpub.Send(new Feed.Halt { Topic = heard.Topic });
            xpub.Send(new Feed.Tick { Topic = heard.Topic + "ce", Price = 1UL << 63, Symbol = "ZMQ" });
            Subscription(xpub);
            try
            {
                xpub.Bind("nonsense");
            }
            catch (ZmqException error)
            {
                Check(error.Number == 22, error.Message);
            }
        }
    }

    private static void Check(bool so, string otherwise)
    {
        if (!so)
        {
            throw new InvalidOperationException(otherwise);
        }
    }

    private static void Echo(ZmqSocket router, int count)
    {
        EverythingSocket.Received received = null;
        for (; count > 0; count--)
        {
            received = EverythingSocket.Receive(router);
            router.Send(received.Identity, received.Message);
        }
        try
        {
            EverythingSocket.Receive(router);
        }
        catch (DecodeException error)
        {
            string identity = BitConverter.ToString(error.Identity).Replace("-", "").ToLowerInvariant();
            Console.WriteLine($"refused {error.Message} from {identity}");
        }
        try
        {
            router.Send(received.Message);
        }
        catch (ArgumentException)
        {
            router.Send(received.Identity, received.Message);
        }
    }

    private static FeedSocket.Subscription Subscription(ZmqSocket xpub)
    {
        FeedSocket.Subscription heard = FeedSocket.ReceiveSubscription(xpub);
        string message = heard.MessageId == Feed.Tick.WireId ? Feed.Tick.ModelName : "another";
        Console.WriteLine($"{(heard.Subscribe ? "subscribe" : "unsubscribe")} {message} {heard.Topic}");
        return heard;
    }
}
