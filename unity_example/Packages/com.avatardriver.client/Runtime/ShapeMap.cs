using System;
using UnityEngine;

namespace AvatarDriver
{
    /// <summary>
    /// Which blend shapes stand for ARKit's, how strongly and along which curve. For avatars whose names cannot be
    /// guessed, or whose shapes are too strong or too weak. Create one with Assets > Create > Avatar Driver > Shape Map.
    /// </summary>
    [CreateAssetMenu(menuName = "Avatar Driver/Shape Map", fileName = "ShapeMap")]
    public sealed class ShapeMap : ScriptableObject
    {
        /// <summary>How one ARKit shape reaches the mesh.</summary>
        [Serializable]
        public sealed class Entry
        {
            [Tooltip("ARKit's shape.")]
            public ArkitShape shape;

            [Tooltip("The mesh's blend shape; empty: the one that is named like ARKit's.")]
            public string blendShape = "";

            [Range(0f, 3f), Tooltip("The weight is multiplied by this, and then limited to 0..1.")]
            public float gain = 1f;

            [Tooltip("From the weight to what is shown, both 0..1; without keys: as it is.")]
            public AnimationCurve curve = new AnimationCurve();

            /// <summary>What is shown for a weight of 0..1.</summary>
            public float Apply(float weight)
            {
                float strong = Mathf.Clamp01(weight * gain);
                return curve == null || curve.length == 0 ? strong : Mathf.Clamp01(curve.Evaluate(strong));
            }
        }

        public Entry[] entries = new Entry[0];
    }
}
