using System;
using System.Threading;

namespace AvatarDriver
{
    /// <summary>
    /// Where packets become frames, whatever socket they came from: it reads them, sorts out late ones, counts, and keeps
    /// the newest. One thread calls Take, another TryTakeNewest; three frames are passed around between them, so that
    /// nothing is copied or allocated. Damaged packets are reported once.
    /// </summary>
    public sealed class FrameInbox
    {
        // A lower seq is a late datagram when it is this close, and a new sender when it is not.
        const long LateWindow = 64;

        readonly string _place;
        readonly Action<string> _report;
        readonly JitterBuffer _buffer;
        readonly Func<double> _clock;
        readonly object _lock = new object();
        readonly FrameReader _reader = new FrameReader();
        // Only some frames carry the identity, and any of them may be overtaken: all others get what was told last.
        readonly FaceFrame _known = new FaceFrame();
        FaceFrame _back = new FaceFrame();
        FaceFrame _newest = new FaceFrame();
        bool _isNew;
        long _lastSeq = -1;
        bool _hasReported;
        long _received, _lost, _late, _damaged;

        /// <param name="place">What the report calls the socket: "port 5572", for example.</param>
        /// <param name="report">Told, on the receiving thread, about the first damaged packet; may be null.</param>
        /// <param name="buffer">Gets a copy of every frame with its time of arrival; may be null.</param>
        /// <param name="clock">Seconds of any steady clock; needed with a buffer.</param>
        public FrameInbox(
            string place, Action<string> report = null, JitterBuffer buffer = null, Func<double> clock = null)
        {
            _place = place;
            _report = report;
            _buffer = buffer;
            _clock = clock;
        }

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

        /// <summary>One packet: the first <paramref name="count"/> bytes of <paramref name="packet"/>.</summary>
        public void Take(byte[] packet, int count)
        {
            try
            {
                if (_reader.Read(packet, 0, count, _back) == PacketKind.Face && IsNext(_back.Seq))
                    Publish();
            }
            catch (ProtocolException error)
            {
                CountDamaged(error.Message);
            }
        }

        /// <summary>A packet that the socket itself could not hand over.</summary>
        public void CountDamaged(string message)
        {
            Interlocked.Increment(ref _damaged);
            if (_hasReported)
                return;
            _hasReported = true;
            _report?.Invoke("A packet on " + _place + " was left out: " + message + " (said only once)");
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
            FrameMath.Complete(_back, _known);
            FrameMath.Copy(_back, _known);
            _buffer?.Add(_back, _clock());
            lock (_lock)
            {
                var done = _back;
                _back = _newest;
                _newest = done;
                _isNew = true;
            }
        }
    }
}
