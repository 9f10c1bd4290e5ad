using System;
using System.Net;
using System.Net.Sockets;
using System.Threading;

namespace AvatarDriver
{
    /// <summary>
    /// Receives frames on a thread of its own and keeps the newest. Damaged packets are counted, and reported once.
    /// Three frames are passed around between the thread and the caller, so that nothing is copied or allocated.
    /// </summary>
    public sealed class UdpReceiver : IDisposable
    {
        // A lower seq is a late datagram when it is this close, and a new sender when it is not.
        const long LateWindow = 64;
        const int PollMicroseconds = 100000;
        const int JoinMilliseconds = 2000;
        const int BufferBytes = 65536;

        readonly Socket _socket;
        readonly Thread _thread;
        readonly Action<string> _report;
        readonly object _lock = new object();
        readonly FrameReader _reader = new FrameReader();
        readonly byte[] _buffer = new byte[BufferBytes];
        readonly float[] _shape = new float[ChannelInfo.All[(int)Channel.Shape].Size];
        string _shapeHead;
        FaceFrame _back = new FaceFrame();
        FaceFrame _newest = new FaceFrame();
        bool _isNew;
        long _lastSeq = -1;
        volatile bool _isStopping;
        bool _hasReported;
        long _received, _lost, _late, _damaged;

        /// <summary>Listen on <paramref name="address"/>:<paramref name="port"/>; port 0 lets the system choose.</summary>
        /// <param name="report">Told, on the receiving thread, about the first damaged packet; may be null.</param>
        /// <exception cref="SocketException">Another program listens there, or this machine has no such address.</exception>
        public UdpReceiver(int port, string address = "127.0.0.1", Action<string> report = null)
        {
            _report = report;
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
            _thread = new Thread(ReceiveLoop) { IsBackground = true, Name = "AvatarDriver.UdpReceiver" };
            _thread.Start();
        }

        /// <summary>The port that is listened on.</summary>
        public int Port { get; }

        /// <summary>Frames that arrived in order.</summary>
        public long Received => Interlocked.Read(ref _received);

        /// <summary>Frames that the sender has sent and that were not there when a later one arrived.</summary>
        public long Lost => Interlocked.Read(ref _lost);

        /// <summary>Frames that arrived after a later one, or twice, and were left out.</summary>
        public long Late => Interlocked.Read(ref _late);

        /// <summary>Packets that broke a rule of the protocol.</summary>
        public long Damaged => Interlocked.Read(ref _damaged);

        /// <summary>
        /// Exchange <paramref name="frame"/> for the newest one; false, and no exchange, when none has come since.
        /// The frame that is given will be overwritten by later packets.
        /// </summary>
        public bool TryTakeNewest(ref FaceFrame frame)
        {
            lock (_lock)
            {
                if (!_isNew)
                    return false;
                var newest = _newest;
                _newest = frame;
                frame = newest;
                _isNew = false;
                return true;
            }
        }

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
                        Take(_socket.Receive(_buffer));
                }
                catch (SocketException error)
                {
                    // Too long a datagram, for example: nothing that the next one could not mend.
                    CountDamaged(error.Message);
                }
                catch (ObjectDisposedException)
                {
                    return;
                }
            }
        }

        void Take(int count)
        {
            try
            {
                if (_reader.Read(_buffer, 0, count, _back) == PacketKind.Face && IsNext(_back.Seq))
                    Publish();
            }
            catch (ProtocolException error)
            {
                CountDamaged(error.Message);
            }
        }

        bool IsNext(long seq)
        {
            if (seq <= _lastSeq && seq >= _lastSeq - LateWindow)
            {
                Interlocked.Increment(ref _late);
                return false;
            }
            if (_lastSeq >= 0 && seq > _lastSeq)
                Interlocked.Add(ref _lost, seq - _lastSeq - 1);
            Interlocked.Increment(ref _received);
            _lastSeq = seq;
            return true;
        }

        void Publish()
        {
            KeepShape(_back);
            lock (_lock)
            {
                var done = _back;
                _back = _newest;
                _newest = done;
                _isNew = true;
            }
        }

        /// <summary>Only some frames carry the identity, and any of them may be overtaken: all others get the last one.</summary>
        void KeepShape(FaceFrame frame)
        {
            if (frame.HasShape)
            {
                Array.Copy(frame.Shape, _shape, _shape.Length);
                _shapeHead = frame.Head;
            }
            else if (_shapeHead == frame.Head)
            {
                Array.Copy(_shape, frame.Shape, _shape.Length);
                frame.HasShape = true;
            }
        }

        void CountDamaged(string message)
        {
            Interlocked.Increment(ref _damaged);
            if (_hasReported)
                return;
            _hasReported = true;
            _report?.Invoke("A packet on port " + Port + " was left out: " + message + " (said only once)");
        }
    }
}
