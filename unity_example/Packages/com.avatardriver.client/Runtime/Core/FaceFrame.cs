// Written by `python -m protocol.csharp`. Change the table in protocol/frame.py, not this file.

namespace AvatarDriver
{
    /// <summary>
    /// One face. Axes as on the wire: metres, right-handed, +Y up, +Z out of the face, +X to the subject's left;
    /// AxisConversion turns them into Unity's. Filled anew by each decoding; copy what you keep.
    /// </summary>
    public sealed class FaceFrame
    {
        public const int SchemaVersion = 1;

        readonly float[][] _values = new float[ChannelInfo.All.Length][];

        public FaceFrame()
        {
            for (int channel = 0; channel < _values.Length; channel++)
                _values[channel] = new float[ChannelInfo.All[channel].Size];
        }

        /// <summary>Counts frames of one sender, +1 each.</summary>
        public long Seq;

        /// <summary>When the oldest of the newest sensor data was taken, ns of the sender's monotonic clock.</summary>
        public long CaptureNs;

        /// <summary>When the frame was sent, ns of the sender's monotonic clock.</summary>
        public long PublishNs;

        /// <summary>Id of the head model that Expression, Jaw, Shape and Detail belong to.</summary>
        public string Head = "";

        /// <summary>False while the sender has not told the identity; Shape is then meaningless.</summary>
        public bool HasShape;

        /// <summary>False while the sender has not told the wrinkles' code; Detail is then meaningless.</summary>
        public bool HasDetail;

        /// <summary>The values of a channel; always the same array.</summary>
        public float[] this[Channel channel] => _values[(int)channel];

        /// <summary>The weight of one ARKit shape, 0..1.</summary>
        public float this[ArkitShape shape] => Arkit[(int)shape];

        /// <summary>Expression [50], sd: coefficients of the head's expression basis, in standard deviations.</summary>
        public float[] Expression => this[Channel.Expression];
        /// <summary>Jaw [3], rad: jaw rotation, axis-angle; +x opens (0..0.5), y turns left/right, z rolls.</summary>
        public float[] Jaw => this[Channel.Jaw];
        /// <summary>Eyelids [2], 0..1: left, right; 0 open, 1 closed.</summary>
        public float[] Eyelids => this[Channel.Eyelids];
        /// <summary>Gaze [4], rad: left pitch, left yaw, right pitch, right yaw of the eyeballs.</summary>
        public float[] Gaze => this[Channel.Gaze];
        /// <summary>HeadRotation [3], rad: head to camera, axis-angle.</summary>
        public float[] HeadRotation => this[Channel.HeadRotation];
        /// <summary>HeadTranslation [3], m: the head's origin in the camera frame.</summary>
        public float[] HeadTranslation => this[Channel.HeadTranslation];
        /// <summary>Shape [100], sd: identity; sent on change and once a second.</summary>
        public float[] Shape => this[Channel.Shape];
        /// <summary>Detail [128], 1: code of the skin's wrinkles; as shape, if asked for.</summary>
        public float[] Detail => this[Channel.Detail];
        /// <summary>Arkit [52], 0..1: ARKit blendshape weights in the order of ARKIT_SHAPES.</summary>
        public float[] Arkit => this[Channel.Arkit];
        /// <summary>0..1: probability that the voice is laughing.</summary>
        public float Laughter => this[Channel.Laughter][0];
        /// <summary>0..1: probability that the voice is speaking.</summary>
        public float Speech => this[Channel.Speech][0];
        /// <summary>-1..1: unpleasant .. pleasant.</summary>
        public float Valence => this[Channel.Valence][0];
        /// <summary>-1..1: calm .. excited.</summary>
        public float Arousal => this[Channel.Arousal][0];
        /// <summary>Confidence [4], 0..1: mouth, upper_face, eyes, head; 0 = nobody can see or hear this.</summary>
        public float[] Confidence => this[Channel.Confidence];
    }
}
