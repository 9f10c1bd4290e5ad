using System;
using System.Diagnostics;
using UnityEngine;

namespace AvatarDriver
{
    /// <summary>What all receivers share: a thread fills an inbox, Update takes the face of the moment out of it.</summary>
    public abstract class LiveFaceSource : FaceSource
    {
        [SerializeField, Range(0f, 0.5f), Tooltip(
            "Seconds that faces are held back, so that they can be shown evenly: above the time between two frames. " +
            "0 shows the newest frame at once.")]
        float smoothingSeconds = 0.03f;

        readonly FaceFrame _shown = new FaceFrame();
        FaceFrame _newest = new FaceFrame();
        JitterBuffer _buffer;

        /// <summary>Counts of what arrived and what did not; null while the component is disabled.</summary>
        public FrameInbox Inbox { get; private set; }

        /// <summary>Open the socket and start its thread; null, after saying why, where that cannot be.</summary>
        protected abstract FrameInbox Open(JitterBuffer buffer, Func<double> clock);

        /// <summary>Stop the thread and close the socket; called only after Open.</summary>
        protected abstract void Close();

        void OnEnable()
        {
            _buffer = smoothingSeconds > 0f ? new JitterBuffer(smoothingSeconds) : null;
            Inbox = Open(_buffer, Now);
            enabled = Inbox != null;
        }

        void OnDisable()
        {
            if (Inbox != null)
                Close();
            Inbox = null;
            Current = null;
        }

        void Update()
        {
            if (Inbox == null)
                return;
            bool isNew = Inbox.TryTakeNewest(ref _newest);
            if (_buffer != null && _buffer.Sample(Now(), _shown))
                Current = _shown;
            else if (isNew)
                Current = _newest;
            if (isNew)
                Announce(_newest);
        }

        // Unity's own clock may not be read by the receiving thread.
        static double Now() => (double)Stopwatch.GetTimestamp() / Stopwatch.Frequency;
    }
}
