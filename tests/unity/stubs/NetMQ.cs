// Just enough of NetMQ 4 and AsyncIO, by their public documentation, to compile the ZeroMQ receiver without them.
using System;

namespace AsyncIO
{
    public static class ForceDotNet { public static void Force() { } }
}

namespace NetMQ
{
    public class NetMQException : Exception { }

    public static class NetMQConfig { public static void Cleanup(bool block = true) { } }

    public interface IReceivingSocket { }

    public static class ReceivingSocketExtensions
    {
        public static bool TryReceiveFrameBytes(this IReceivingSocket socket, TimeSpan timeout, out byte[] bytes)
        {
            bytes = null;
            return false;
        }
    }

    public sealed class SocketOptions
    {
        public int ReceiveHighWatermark { get; set; }
        public TimeSpan Linger { get; set; }
    }

    public abstract class NetMQSocket : IReceivingSocket, IDisposable
    {
        public SocketOptions Options { get; } = new SocketOptions();
        public void Connect(string address) { }
        public void Dispose() { }
    }
}

namespace NetMQ.Sockets
{
    public class SubscriberSocket : NetMQSocket
    {
        public virtual void SubscribeToAnyTopic() { }
    }
}
