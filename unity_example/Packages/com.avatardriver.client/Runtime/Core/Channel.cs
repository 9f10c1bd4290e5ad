// Written by `python -m protocol.csharp`. Change the table in protocol/frame.py, not this file.

namespace AvatarDriver
{
    /// <summary>The parts of a face, in the order of the table in PROTOCOL.md.</summary>
    public enum Channel
    {
        Expression,
        Jaw,
        Eyelids,
        Gaze,
        HeadRotation,
        HeadTranslation,
        Shape,
        Detail,
        Arkit,
        Laughter,
        Speech,
        Valence,
        Arousal,
        Confidence,
    }

    /// <summary>The regions that FaceFrame.Confidence speaks of, in its order.</summary>
    public enum Region
    {
        Mouth,
        UpperFace,
        Eyes,
        Head,
    }

    /// <summary>One row of the table: a name on the wire, the number of float values and the range of each.</summary>
    public sealed class ChannelInfo
    {
        public readonly string Name;
        public readonly int Size;
        public readonly double Minimum;
        public readonly double Maximum;
        public readonly bool IsOptional;

        ChannelInfo(string name, int size, double minimum, double maximum, bool isOptional)
        {
            Name = name;
            Size = size;
            Minimum = minimum;
            Maximum = maximum;
            IsOptional = isOptional;
        }

        /// <summary>The table, indexed by <see cref="Channel"/>.</summary>
        public static readonly ChannelInfo[] All =
        {
            new ChannelInfo("expression", 50, -20.0, 20.0, false),
            new ChannelInfo("jaw", 3, -1.0, 1.0, false),
            new ChannelInfo("eyelids", 2, 0.0, 1.0, false),
            new ChannelInfo("gaze", 4, -1.5707963267948966, 1.5707963267948966, false),
            new ChannelInfo("head_rotation", 3, -3.141592653589793, 3.141592653589793, false),
            new ChannelInfo("head_translation", 3, -100.0, 100.0, false),
            new ChannelInfo("shape", 100, -20.0, 20.0, true),
            new ChannelInfo("detail", 128, -100.0, 100.0, true),
            new ChannelInfo("arkit", 52, 0.0, 1.0, false),
            new ChannelInfo("laughter", 1, 0.0, 1.0, false),
            new ChannelInfo("speech", 1, 0.0, 1.0, false),
            new ChannelInfo("valence", 1, -1.0, 1.0, false),
            new ChannelInfo("arousal", 1, -1.0, 1.0, false),
            new ChannelInfo("confidence", 4, 0.0, 1.0, false),
        };
    }
}
