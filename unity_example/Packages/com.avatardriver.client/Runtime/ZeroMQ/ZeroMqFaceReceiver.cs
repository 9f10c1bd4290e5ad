using System;
using System.Threading;
using NetMQ;
using NetMQ.Sockets;
using UnityEngine;

namespace AvatarDriver
{
    /// <summary>
    /// Receives faces from `avatar-driver --out zmq://`. Needs NetMQ.dll and AsyncIO.dll in the project, and the scripting
    /// define AVATAR_DRIVER_NETMQ. The UDP receiver needs neither.
    /// </summary>
    [AddComponentMenu("Avatar Driver/ZeroMQ Face Receiver")]
    [DefaultExecutionOrder(-100)]
    public sealed class ZeroMqFaceReceiver : LiveFaceSource
    {
        const int JoinMilliseconds = 2000;
        const int KeptFrames = 4;
        static readonly TimeSpan Wait = TimeSpan.FromMilliseconds(100);
        static int _open;

        [SerializeField, Tooltip("Where the driver publishes: tcp://HOST:5571.")]
        string endpoint = "tcp://127.0.0.1:5571";

        Thread _thread;
        volatile bool _isStopping;

        protected override FrameInbox Open(JitterBuffer buffer, Func<double> clock)
        {
            // Unity lacks what NetMQ's faster way needs; without this line the second Play freezes the editor.
            AsyncIO.ForceDotNet.Force();
            var inbox = new FrameInbox(endpoint, Debug.LogWarning, buffer, clock);
            string address = endpoint;
            _isStopping = false;
            _open++;
            _thread = new Thread(() => Receive(address, inbox)) { IsBackground = true, Name = "AvatarDriver.ZeroMQ" };
            _thread.Start();
            return inbox;
        }

        protected override void Close()
        {
            _isStopping = true;
            bool hasEnded = _thread.Join(JoinMilliseconds);
            _open--;
            // Cleaning up waits for ever while a socket is open: only after the last thread has closed its own.
            if (hasEnded && _open == 0)
                NetMQConfig.Cleanup(false);
        }

        /// <summary>A socket belongs to one thread: made, used and closed here.</summary>
        void Receive(string address, FrameInbox inbox)
        {
            try
            {
                using (var socket = new SubscriberSocket())
                {
                    socket.Options.ReceiveHighWatermark = KeptFrames;
                    socket.Options.Linger = TimeSpan.Zero;
                    socket.Connect(address);
                    socket.SubscribeToAnyTopic();
                    while (!_isStopping)
                        if (socket.TryReceiveFrameBytes(Wait, out byte[] packet))
                            inbox.Take(packet, packet.Length);
                }
            }
            catch (Exception error) when (error is NetMQException || error is ArgumentException)
            {
                Debug.LogWarning(
                    "'" + address + "' cannot be connected to (" + error.Message + "); write tcp://HOST:5571");
            }
        }
    }
}
