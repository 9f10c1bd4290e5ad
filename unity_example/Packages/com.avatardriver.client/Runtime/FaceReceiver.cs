using System;
using System.Net.Sockets;
using UnityEngine;

namespace AvatarDriver
{
    /// <summary>Receives faces from `avatar-driver --out udp://`.</summary>
    [AddComponentMenu("Avatar Driver/Face Receiver")]
    [DefaultExecutionOrder(-100)]
    public sealed class FaceReceiver : LiveFaceSource
    {
        [SerializeField, Range(1, 65535), Tooltip("UDP port to listen on.")]
        int port = 5572;

        [SerializeField, Tooltip("Address to listen on: 127.0.0.1 for this machine only, 0.0.0.0 for the network.")]
        string address = "127.0.0.1";

        UdpReceiver _udp;

        protected override FrameInbox Open(JitterBuffer buffer, Func<double> clock)
        {
            try
            {
                _udp = new UdpReceiver(port, address, Debug.LogWarning, buffer, clock);
                return _udp.Inbox;
            }
            catch (SocketException error)
            {
                Debug.LogError(
                    "Port " + port + " at " + address + " cannot be listened on (" + error.Message +
                    "); close the program that uses it, or choose another port here and in --out udp://", this);
            }
            catch (FormatException)
            {
                Debug.LogError("'" + address + "' is not an IP address; write 127.0.0.1 or 0.0.0.0", this);
            }
            return null;
        }

        protected override void Close() => _udp.Dispose();
    }
}
