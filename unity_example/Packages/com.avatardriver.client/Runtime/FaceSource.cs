using System;
using UnityEngine;

namespace AvatarDriver
{
    /// <summary>How it stands with a source of faces.</summary>
    public enum FaceState
    {
        /// <summary>Nothing has come yet.</summary>
        Waiting,
        /// <summary>Faces are coming.</summary>
        Live,
        /// <summary>Nothing for a moment: the last face stays.</summary>
        Stale,
        /// <summary>Nothing for long: the sender is gone. Avatars fade to their rest.</summary>
        Lost,
    }

    /// <summary>Where faces come from: the network (FaceReceiver) or a recording. Anything that shows a face reads one.</summary>
    public abstract class FaceSource : MonoBehaviour
    {
        [SerializeField, Min(0.05f), Tooltip("Seconds without a frame after which the source is stale.")]
        float staleSeconds = 0.25f;

        [SerializeField, Min(0.1f), Tooltip("Seconds without a frame after which the sender counts as gone.")]
        float lostSeconds = 1f;

        float _lastFrameTime;

        /// <summary>Raised with each frame that comes, as it was sent; it is good until the next one.</summary>
        public event Action<FaceFrame> FrameReceived;

        /// <summary>The face to show now; null before the first.</summary>
        public FaceFrame Current { get; protected set; }

        /// <summary>How long ago the last frame came.</summary>
        public FaceState State
        {
            get
            {
                if (Current == null)
                    return FaceState.Waiting;
                float silence = Time.unscaledTime - _lastFrameTime;
                return silence <= staleSeconds ? FaceState.Live
                    : silence <= lostSeconds ? FaceState.Stale : FaceState.Lost;
            }
        }

        /// <summary>Tell that a frame has come.</summary>
        protected void Announce(FaceFrame frame)
        {
            _lastFrameTime = Time.unscaledTime;
            FrameReceived?.Invoke(frame);
        }
    }
}
