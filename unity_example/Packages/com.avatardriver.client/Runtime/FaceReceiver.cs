using System;
using System.Net.Sockets;
using UnityEngine;

namespace AvatarDriver
{
    /// <summary>
    /// Receives faces from `avatar-driver --out udp://` and hands the newest one, once per frame of the game, to whoever
    /// listens. Anything that shows a face (AvatarFace, for example) is a component of its own.
    /// </summary>
    [AddComponentMenu("Avatar Driver/Face Receiver")]
    [DefaultExecutionOrder(-100)]
    public sealed class FaceReceiver : MonoBehaviour
    {
        [SerializeField, Range(1, 65535), Tooltip("UDP port to listen on.")]
        int port = 5572;

        [SerializeField, Tooltip("Address to listen on: 127.0.0.1 for this machine only, 0.0.0.0 for the network.")]
        string address = "127.0.0.1";

        [SerializeField, Min(0.05f), Tooltip("Seconds without a frame after which the sender counts as gone.")]
        float timeoutSeconds = 0.5f;

        UdpReceiver _udp;
        FaceFrame _frame = new FaceFrame();
        float _lastFrameTime;

        /// <summary>Raised in Update with each new frame; the frame is good until the next one.</summary>
        public event Action<FaceFrame> FrameReceived;

        /// <summary>The newest frame; null before the first.</summary>
        public FaceFrame Current { get; private set; }

        /// <summary>True while frames arrive.</summary>
        public bool IsLive => Current != null && Time.unscaledTime - _lastFrameTime <= timeoutSeconds;

        /// <summary>Counts of what arrived and what did not; null while the component is disabled.</summary>
        public UdpReceiver Receiver => _udp;

        void OnEnable()
        {
            try
            {
                _udp = new UdpReceiver(port, address, Debug.LogWarning);
            }
            catch (SocketException error)
            {
                Debug.LogError(
                    "Port " + port + " at " + address + " cannot be listened on (" + error.Message +
                    "); close the program that uses it, or choose another port here and in --out udp://", this);
                enabled = false;
            }
            catch (FormatException)
            {
                Debug.LogError("'" + address + "' is not an IP address; write 127.0.0.1 or 0.0.0.0", this);
                enabled = false;
            }
        }

        void OnDisable()
        {
            _udp?.Dispose();
            _udp = null;
            Current = null;
        }

        void Update()
        {
            if (_udp == null || !_udp.TryTakeNewest(ref _frame))
                return;
            Current = _frame;
            _lastFrameTime = Time.unscaledTime;
            FrameReceived?.Invoke(_frame);
        }
    }
}
