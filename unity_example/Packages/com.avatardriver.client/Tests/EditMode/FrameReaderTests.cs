using System;
using NUnit.Framework;

namespace AvatarDriver.Tests
{
    public class FrameReaderTests
    {
        [Test]
        public void AFaceIsRead()
        {
            var frame = new FaceFrame();
            Assert.AreEqual(PacketKind.Face, Read(GoldenPackets.FaceWink, frame));
            Assert.AreEqual(4321L, frame.Seq);
            Assert.AreEqual(12345678901234L, frame.CaptureNs);
            Assert.AreEqual("open-head/1", frame.Head);
            Assert.AreEqual(1f, frame[ArkitShape.EyeBlinkLeft], 0f);
            Assert.AreEqual(0.625f, frame[ArkitShape.JawOpen], 0f);
            Assert.AreEqual(0.25f, frame.Expression[49], 0f);
            Assert.AreEqual(0.875f, frame.Speech, 0f);
            Assert.AreEqual(0.25f, frame.Confidence[(int)Region.Head], 0f);
            Assert.IsTrue(!frame.HasShape);
        }

        [Test]
        public void TheIdentityIsRead()
        {
            var frame = new FaceFrame();
            Read(GoldenPackets.FaceDense, frame);
            Assert.IsTrue(frame.HasShape);
            Assert.AreEqual("flame-2023-open", frame.Head);
            Assert.IsTrue(frame.Shape[99] != frame.Shape[98]);
        }

        [Test]
        public void APacketMayLieAnywhereInABuffer()
        {
            var buffer = new byte[4096];
            Array.Copy(GoldenPackets.FaceWink, 0, buffer, 1000, GoldenPackets.FaceWink.Length);
            var frame = new FaceFrame();
            new FrameReader().Read(buffer, 1000, GoldenPackets.FaceWink.Length, frame);
            Assert.AreEqual(4321L, frame.Seq);
        }

        [Test]
        public void AHelloLeavesTheFrameAlone()
        {
            var frame = new FaceFrame { Seq = 7 };
            Assert.AreEqual(PacketKind.Hello, Read(GoldenPackets.Hello, frame));
            Assert.AreEqual(7L, frame.Seq);
        }

        [Test]
        public void EveryShorterPacketIsRefused()
        {
            var reader = new FrameReader();
            var frame = new FaceFrame();
            for (int count = 0; count < GoldenPackets.FaceWink.Length; count++)
            {
                int length = count;
                Assert.Throws<ProtocolException>(() => reader.Read(GoldenPackets.FaceWink, 0, length, frame));
            }
        }

        [Test]
        public void AnotherVersionIsRefused()
        {
            var packet = (byte[])GoldenPackets.FaceWink.Clone();
            Assert.AreEqual((byte)'v', packet[4]);
            packet[5] = 2;
            var error = Assert.Throws<ProtocolException>(() => Read(packet, new FaceFrame()));
            Assert.IsTrue(error.Message.Contains("version 2"));
        }

        static PacketKind Read(byte[] packet, FaceFrame frame) => new FrameReader().Read(packet, 0, packet.Length, frame);
    }
}
