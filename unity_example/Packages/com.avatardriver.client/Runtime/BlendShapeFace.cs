using System.Collections.Generic;
using UnityEngine;

namespace AvatarDriver
{
    /// <summary>Shows ARKit's 52 weights on blend shapes: by their names, or as a Shape Map says.</summary>
    [AddComponentMenu("Avatar Driver/Blend Shape Face")]
    public sealed class BlendShapeFace : FaceWearer
    {
        [SerializeField, Tooltip("Meshes with ARKit blend shapes: jawOpen, JawOpen, eyeBlink_L and the like.")]
        SkinnedMeshRenderer[] meshes = new SkinnedMeshRenderer[0];

        [SerializeField, Range(0f, 2f), Tooltip("Strength of the whole expression.")]
        float gain = 1f;

        [SerializeField, Tooltip("Other names, strengths and curves; may be empty.")]
        ShapeMap map;

        readonly List<Bound> _bound = new List<Bound>();

        /// <summary>Blend shapes that were found on the meshes.</summary>
        public int BoundShapes => _bound.Count;

        /// <summary>Set the parts of an avatar that was loaded while the game runs; the map may be null.</summary>
        public void Bind(SkinnedMeshRenderer[] onMeshes, ShapeMap with = null)
        {
            meshes = onMeshes;
            map = with;
            FindParts();
        }

        public override void FindParts()
        {
            _bound.Clear();
            foreach (var mesh in meshes)
                if (mesh != null && mesh.sharedMesh != null)
                    for (int index = 0; index < mesh.sharedMesh.blendShapeCount; index++)
                        FindShapes(mesh, index);
        }

        public override void Show(FaceFrame frame, float presence)
        {
            // Two entries of a map may share one blend shape: the stronger one is shown.
            foreach (var one in _bound)
            {
                float strongest = 0f;
                foreach (var part in one.Parts)
                    strongest = Mathf.Max(strongest, part.Apply(Mathf.Clamp01(frame[part.shape] * gain)));
                one.Shape.Set(strongest * presence);
            }
        }

        void FindShapes(SkinnedMeshRenderer mesh, int index)
        {
            string name = mesh.sharedMesh.GetBlendShapeName(index);
            var parts = new List<ShapeMap.Entry>();
            bool isKnown = ShapeNames.TryFind(name, out var known);
            bool isMapped = false;
            if (map != null)
                foreach (var entry in map.entries)
                {
                    bool isByName = string.IsNullOrEmpty(entry.blendShape);
                    // An entry speaks for its ARKit shape: it is not shown by name as well.
                    isMapped |= isKnown && entry.shape == known;
                    if (isByName ? isKnown && entry.shape == known : entry.blendShape == name)
                        parts.Add(entry);
                }
            if (isKnown && !isMapped)
                parts.Add(new ShapeMap.Entry { shape = known });
            if (parts.Count > 0)
                _bound.Add(new Bound(new ShapeBinding(mesh, index), parts.ToArray()));
        }

        sealed class Bound
        {
            public readonly ShapeBinding Shape;
            public readonly ShapeMap.Entry[] Parts;

            public Bound(ShapeBinding shape, ShapeMap.Entry[] parts)
            {
                Shape = shape;
                Parts = parts;
            }
        }
    }
}
