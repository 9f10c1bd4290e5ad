using System;
using System.Net;
using System.Net.Sockets;
using System.Threading;

namespace AvatarDriver
{
    /// <summary>Receives packets from `--out udp://` on a thread of its own and puts them into an inbox.</summary>
    public sealed class UdpReceiver : IDisposable
    {
        const int PollMicroseconds = 100000;
        const int JoinMilliseconds = 2000;
        const int BufferBytes = 65536;

        readonly Socket _socket;
        readonly Thread _thread;
        readonly byte[] _buffer = new byte[BufferBytes];
        volatile bool _isStopping;

        /// <summary>Listen on <paramref name="address"/>:<paramref name="port"/>; port 0 lets the system choose.</summary>
        /// <param name="report">Told, on the receiving thread, about the first damaged packet; may be null.</param>
        /// <param name="buffer">Gets every frame with its time of arrival by <paramref name="clock"/>; may be null.</param>
        /// <exception cref="SocketException">Another program listens there, or this machine has no such address.</exception>
        public UdpReceiver(
            int port, string address = "127.0.0.1", Action<string> report = null, JitterBuffer buffer = null,
            Func<double> clock = null)
        {
            var ip = IPAddress.Parse(address);
            _socket = new Socket(ip.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            try
            {
                // Mono would let two receivers share a port, and give each packet to one of them.
                _socket.ExclusiveAddressUse = true;
                _socket.Bind(new IPEndPoint(ip, port));
            }
            catch
            {
                _socket.Dispose();
                throw;
            }
            Port = ((IPEndPoint)_socket.LocalEndPoint).Port;
            Inbox = new FrameInbox("port " + Port, report, buffer, clock);
            _thread = new Thread(ReceiveLoop) { IsBackground = true, Name = "AvatarDriver.UdpReceiver" };
            _thread.Start();
        }

        /// <summary>The port that is listened on.</summary>
        public int Port { get; }

        /// <summary>What has arrived.</summary>
        public FrameInbox Inbox { get; }

        /// <summary>Stop listening and wait for the thread to end.</summary>
        public void Dispose()
        {
            _isStopping = true;
            _thread.Join(JoinMilliseconds);
            _socket.Dispose();
        }

        void ReceiveLoop()
        {
            while (!_isStopping)
            {
                try
                {
                    if (_socket.Poll(PollMicroseconds, SelectMode.SelectRead))
                        Inbox.Take(_buffer, _socket.Receive(_buffer));
                }
                catch (SocketException error)
                {
                    // Too long a datagram, for example: nothing that the next one could not mend.
                    Inbox.CountDamaged(error.Message);
                }
                catch (ObjectDisposedException)
                {
                    return;
                }
            }
        }
    }
}
