using System;

namespace AvatarDriver
{
    /// <summary>
    /// Gives faces at the times of the screen, out of frames that arrive unevenly at times of the sender: each is shown a
    /// fixed delay after it would have come at best, and between two frames there is a face between them.
    ///
    /// The clocks of sender and receiver have nothing in common. How far they are apart is learnt from the least delayed
    /// packet so far, which is forgotten slowly, as clocks drift. Add and Sample may be called from different threads.
    /// </summary>
    public sealed class JitterBuffer
    {
        const int Capacity = 64;
        // Quartz clocks drift by up to 100 parts in a million each.
        const double DriftPerSecond = 2e-4;
        // A sender's clock that goes back, or leaps so far, is another sender's.
        const double LeapSeconds = 5.0;

        readonly FaceFrame[] _frames = new FaceFrame[Capacity];
        readonly object _lock = new object();
        double _offset, _offsetTime;
        int _first, _count;

        /// <param name="delaySeconds">What it waits for late packets: at least the time between two frames.</param>
        public JitterBuffer(double delaySeconds)
        {
            if (!(delaySeconds >= 0.0 && delaySeconds <= 1.0))
                throw new ArgumentOutOfRangeException(nameof(delaySeconds), "the delay must be in 0..1 s");
            DelaySeconds = delaySeconds;
            for (int index = 0; index < Capacity; index++)
                _frames[index] = new FaceFrame();
        }

        /// <summary>How long each frame is held back, s.</summary>
        public double DelaySeconds { get; }

        /// <summary>Keep a copy of a frame that arrived at <paramref name="now"/>, s of the receiver's clock.</summary>
        public void Add(FaceFrame frame, double now)
        {
            lock (_lock)
            {
                double published = Seconds(frame);
                if (_count > 0)
                {
                    double step = published - Seconds(Newest);
                    if (step < 0.0 || step > LeapSeconds)
                        _count = 0;
                }
                double offset = now - published;
                double known = _offset + (now - _offsetTime) * DriftPerSecond;
                _offset = _count == 0 ? offset : Math.Min(known, offset);
                _offsetTime = now;
                if (_count == Capacity)
                {
                    _first = (_first + 1) % Capacity;
                    _count--;
                }
                FrameMath.Copy(frame, _frames[(_first + _count) % Capacity]);
                _count++;
            }
        }

        /// <summary>
        /// Fill <paramref name="into"/> with the face to be shown at <paramref name="now"/>. After the last frame it stays;
        /// false when there is none at all.
        /// </summary>
        public bool Sample(double now, FaceFrame into)
        {
            lock (_lock)
            {
                if (_count == 0)
                    return false;
                double time = now - _offset - DelaySeconds;
                // Frames before the last one that is due are not needed any more.
                while (_count > 1 && Seconds(At(1)) <= time)
                {
                    _first = (_first + 1) % Capacity;
                    _count--;
                }
                double start = Seconds(At(0));
                if (_count == 1 || time <= start)
                    FrameMath.Copy(At(0), into);
                else
                    FrameMath.Interpolate(At(0), At(1), (float)((time - start) / (Seconds(At(1)) - start)), into);
                return true;
            }
        }

        FaceFrame Newest => At(_count - 1);

        FaceFrame At(int index) => _frames[(_first + index) % Capacity];

        static double Seconds(FaceFrame frame) => frame.PublishNs * 1e-9;
    }
}
