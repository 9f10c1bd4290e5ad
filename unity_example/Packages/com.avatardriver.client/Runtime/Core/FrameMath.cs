using System;

namespace AvatarDriver
{
    /// <summary>Copies of frames, and frames between two others. Nothing is allocated.</summary>
    public static class FrameMath
    {
        /// <summary>Make <paramref name="to"/> the same as <paramref name="from"/>.</summary>
        public static void Copy(FaceFrame from, FaceFrame to)
        {
            CopyStamps(from, to);
            for (int channel = 0; channel < ChannelInfo.All.Length; channel++)
                Array.Copy(from[(Channel)channel], to[(Channel)channel], from[(Channel)channel].Length);
        }

        /// <summary>
        /// The face between <paramref name="a"/> (<paramref name="share"/> 0) and <paramref name="b"/> (1). Number, times
        /// and who it is are those of the nearer one. Faces of different heads have nothing between them.
        /// </summary>
        public static void Interpolate(FaceFrame a, FaceFrame b, float share, FaceFrame into)
        {
            var nearer = share < 0.5f ? a : b;
            if (a.Head != b.Head)
            {
                Copy(nearer, into);
                return;
            }
            CopyStamps(nearer, into);
            for (int channel = 0; channel < ChannelInfo.All.Length; channel++)
            {
                float[] from = a[(Channel)channel], to = b[(Channel)channel], result = into[(Channel)channel];
                if (ChannelInfo.All[channel].IsOptional)
                    Array.Copy(nearer[(Channel)channel], result, result.Length);
                else
                    for (int index = 0; index < result.Length; index++)
                        result[index] = from[index] + (to[index] - from[index]) * share;
            }
        }

        /// <summary>Give <paramref name="frame"/> the identity and the detail that it lacks and a frame of the same head has.</summary>
        public static void Complete(FaceFrame frame, FaceFrame known)
        {
            if (frame.Head != known.Head)
                return;
            if (!frame.HasShape && known.HasShape)
                Array.Copy(known.Shape, frame.Shape, frame.Shape.Length);
            if (!frame.HasDetail && known.HasDetail)
                Array.Copy(known.Detail, frame.Detail, frame.Detail.Length);
            frame.HasShape |= known.HasShape;
            frame.HasDetail |= known.HasDetail;
        }

        static void CopyStamps(FaceFrame from, FaceFrame to)
        {
            to.Seq = from.Seq;
            to.CaptureNs = from.CaptureNs;
            to.PublishNs = from.PublishNs;
            to.Head = from.Head;
            to.HasShape = from.HasShape;
            to.HasDetail = from.HasDetail;
        }
    }
}
