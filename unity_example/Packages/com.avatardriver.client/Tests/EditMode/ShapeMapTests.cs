using NUnit.Framework;
using UnityEngine;

namespace AvatarDriver.Tests
{
    public class ShapeMapTests
    {
        [TestCase(0.5f, 1f, 0.5f)]
        [TestCase(0.5f, 1.5f, 0.75f)]
        [TestCase(0.5f, 3f, 1f)]
        [TestCase(0.5f, 0f, 0f)]
        public void AGainIsLimited(float weight, float gain, float expected)
        {
            var entry = new ShapeMap.Entry { shape = ArkitShape.JawOpen, gain = gain };
            Assert.AreEqual(expected, entry.Apply(weight), 1e-6f);
        }

        [Test]
        public void ACurveComesAfterTheGain()
        {
            var entry = new ShapeMap.Entry { gain = 2f, curve = AnimationCurve.Linear(0f, 1f, 1f, 0f) };
            Assert.AreEqual(0.5f, entry.Apply(0.25f), 1e-4f);
            Assert.AreEqual(0f, entry.Apply(1f), 1e-4f);
        }
    }
}
