using System;
using System.Collections.Generic;

namespace AvatarDriver
{
    /// <summary>
    /// Finds the ARKit shape that a blend shape's name stands for: "jawOpen", "JawOpen", "Face.M_jawOpen", "eyeBlink_L",
    /// "EyeBlink.Left" and the like.
    /// </summary>
    public static class ShapeNames
    {
        static readonly Dictionary<string, ArkitShape> Shapes = BuildTable();

        /// <summary>False when the name is none of the 52.</summary>
        public static bool TryFind(string blendShapeName, out ArkitShape shape)
        {
            string plain = Plain(blendShapeName);
            // Exporters put the mesh's name in front: try what is left after each separator.
            for (int start = 0; start >= 0; start = NextPart(plain, start))
                if (Shapes.TryGetValue(WithoutSeparators(plain.Substring(start)), out shape))
                    return true;
            shape = default(ArkitShape);
            return false;
        }

        static Dictionary<string, ArkitShape> BuildTable()
        {
            var table = new Dictionary<string, ArkitShape>();
            foreach (ArkitShape shape in Enum.GetValues(typeof(ArkitShape)))
                table[shape.ToString().ToLowerInvariant()] = shape;
            return table;
        }

        /// <summary>Lower case, one kind of separator, and a final side in full.</summary>
        static string Plain(string name)
        {
            string plain = name.Trim().ToLowerInvariant().Replace('.', '_').Replace(' ', '_').Replace('-', '_');
            if (plain.EndsWith("_l"))
                return plain.Substring(0, plain.Length - 2) + "left";
            if (plain.EndsWith("_r"))
                return plain.Substring(0, plain.Length - 2) + "right";
            return plain;
        }

        static int NextPart(string name, int start)
        {
            int separator = name.IndexOf('_', start);
            return separator < 0 ? -1 : separator + 1;
        }

        static string WithoutSeparators(string name) => name.Replace("_", "");
    }
}
