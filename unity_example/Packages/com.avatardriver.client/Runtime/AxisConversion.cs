using UnityEngine;

namespace AvatarDriver
{
    /// <summary>
    /// The only place where axes change. On the wire: right-handed, +X to the subject's left, +Y up, +Z out of the face.
    /// In Unity: left-handed, and for a face that looks along +Z the subject's right is +X.
    /// </summary>
    public static class AxisConversion
    {
        /// <summary>A point or a direction, m.</summary>
        public static Vector3 Position(float x, float y, float z) => new Vector3(-x, y, z);

        /// <summary>An axis-angle vector, rad. Mirroring X turns the sense of rotation about the two other axes.</summary>
        public static Quaternion Rotation(float x, float y, float z)
        {
            float angle = Mathf.Sqrt(x * x + y * y + z * z);
            if (angle < 1e-6f)
                return Quaternion.identity;
            float scale = Mathf.Sin(angle / 2f) / angle;
            return new Quaternion(x * scale, -y * scale, -z * scale, Mathf.Cos(angle / 2f));
        }

        /// <summary>An eyeball, rad: pitched first, then turned.</summary>
        public static Quaternion Eye(float pitch, float yaw) => Rotation(0f, yaw, 0f) * Rotation(pitch, 0f, 0f);

        /// <summary>The head's origin in the camera's frame, m.</summary>
        public static Vector3 HeadPosition(FaceFrame frame) => Position(frame.HeadTranslation);

        /// <summary>Head to camera; <paramref name="gain"/> turns less (below 1) or more about the same axis.</summary>
        public static Quaternion HeadRotation(FaceFrame frame, float gain = 1f)
        {
            float[] values = frame.HeadRotation;
            return Rotation(values[0] * gain, values[1] * gain, values[2] * gain);
        }

        /// <summary>Jaw to head.</summary>
        public static Quaternion JawRotation(FaceFrame frame) => Rotation(frame.Jaw);

        /// <summary>Left eyeball to head.</summary>
        public static Quaternion LeftEyeRotation(FaceFrame frame, float gain = 1f) =>
            Eye(frame.Gaze[0] * gain, frame.Gaze[1] * gain);

        /// <summary>Right eyeball to head.</summary>
        public static Quaternion RightEyeRotation(FaceFrame frame, float gain = 1f) =>
            Eye(frame.Gaze[2] * gain, frame.Gaze[3] * gain);

        static Vector3 Position(float[] values) => Position(values[0], values[1], values[2]);

        static Quaternion Rotation(float[] values) => Rotation(values[0], values[1], values[2]);
    }
}
