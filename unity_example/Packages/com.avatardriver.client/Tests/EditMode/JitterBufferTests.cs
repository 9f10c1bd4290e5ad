using System;
using NUnit.Framework;

namespace AvatarDriver.Tests
{
    public class JitterBufferTests
    {
        const double Period = 1.0 / 60.0;

        static FaceFrame Face(double published, float weight, string head = "open-head/1")
        {
            var frame = new FaceFrame { PublishNs = (long)(published * 1e9), Seq = (long)(published / Period), Head = head };
            frame.Arkit[(int)ArkitShape.JawOpen] = weight;
            return frame;
        }

        [Test]
        public void UnevenArrivalsBecomeAnEvenMotion()
        {
            // A ramp sent every 1/60 s, delayed by up to 20 ms at random, shown by a screen of 144 Hz.
            var random = new Random(3);
            var buffer = new JitterBuffer(0.045);
            var into = new FaceFrame();
            double screen = 0.5, last = -1.0;
            double smallest = 1.0, largest = 0.0;
            for (int number = 0; number < 600; number++)
            {
                double published = 1000.0 + number * Period, arrival = number * Period + 0.02 * random.NextDouble();
                for (; screen < arrival; screen += 1.0 / 144.0)
                    if (number > 60 && buffer.Sample(screen, into))
                    {
                        double shown = into.Arkit[(int)ArkitShape.JawOpen];
                        if (last >= 0.0)
                        {
                            smallest = Math.Min(smallest, shown - last);
                            largest = Math.Max(largest, shown - last);
                        }
                        last = shown;
                    }
                buffer.Add(Face(published, number / 600f), Math.Max(arrival, number * Period));
            }
            double even = 60.0 / 144.0 / 600.0;
            Assert.AreEqual(even, smallest, 0.1 * even, "smallest step");
            Assert.AreEqual(even, largest, 0.1 * even, "largest step");
        }

        [Test]
        public void FacesAreHeldBackByTheDelay()
        {
            var buffer = new JitterBuffer(0.05);
            var into = new FaceFrame();
            Assert.IsTrue(!buffer.Sample(0.0, into));
            buffer.Add(Face(100.0, 0f), 7.0);
            buffer.Add(Face(100.1, 1f), 7.1);
            buffer.Sample(7.05, into);
            Assert.AreEqual(0f, into.Arkit[(int)ArkitShape.JawOpen], 1e-4f);
            buffer.Sample(7.075, into);
            Assert.AreEqual(0.25f, into.Arkit[(int)ArkitShape.JawOpen], 1e-3f);
            buffer.Sample(9.0, into);
            Assert.AreEqual(1f, into.Arkit[(int)ArkitShape.JawOpen], 1e-4f, "the last face stays");
        }

        [Test]
        public void ANewSenderIsFollowedAtOnce()
        {
            var buffer = new JitterBuffer(0.02);
            var into = new FaceFrame();
            buffer.Add(Face(5000.0, 0.25f), 1.0);
            buffer.Add(Face(3.0, 0.75f), 1.1);
            Assert.IsTrue(buffer.Sample(1.12, into));
            Assert.AreEqual(0.75f, into.Arkit[(int)ArkitShape.JawOpen], 1e-4f);
        }

        [Test]
        public void NothingLiesBetweenTwoHeads()
        {
            var into = new FaceFrame();
            FrameMath.Interpolate(Face(1.0, 0f, "a"), Face(2.0, 1f, "b"), 0.4f, into);
            Assert.AreEqual(0f, into.Arkit[(int)ArkitShape.JawOpen], 0f);
            Assert.AreEqual("a", into.Head);
        }

        [Test]
        public void ADelayMustMakeSense()
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => new JitterBuffer(-0.1));
            Assert.Throws<ArgumentOutOfRangeException>(() => new JitterBuffer(double.NaN));
        }
    }
}
