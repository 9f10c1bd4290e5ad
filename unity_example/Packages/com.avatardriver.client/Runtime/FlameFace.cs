using System.Collections.Generic;
using UnityEngine;

namespace AvatarDriver
{
    /// <summary>
    /// Shows expression and jaw coefficients on a FLAME head: blend shapes named by numbers ("Exp000", "expression_0",
    /// "Exp1"), and a jaw bone. Coefficients belong to one head: run the driver with --head for yours.
    /// </summary>
    [AddComponentMenu("Avatar Driver/Flame Face")]
    public sealed class FlameFace : FaceWearer
    {
        [SerializeField, Tooltip("The mesh with the expression's blend shapes.")]
        SkinnedMeshRenderer mesh;

        [SerializeField, Tooltip("Turns about the object's own axes; it must look along its +Z.")]
        Transform jaw;

        [SerializeField, Tooltip("The head that the coefficients must be of, as --head names it; empty: any.")]
        string headId = "";

        [SerializeField, Min(0.01f), Tooltip("Coefficients at which a blend shape has its full weight.")]
        float fullWeightAt = 1f;

        readonly List<KeyValuePair<int, ShapeBinding>> _shapes = new List<KeyValuePair<int, ShapeBinding>>();
        BoneBinding _jaw;
        bool _hasWarned;

        /// <summary>Expression shapes that were found on the mesh.</summary>
        public int BoundShapes => _shapes.Count;

        /// <summary>Set the parts of a head that was loaded while the game runs; the jaw may be null.</summary>
        public void Bind(SkinnedMeshRenderer onMesh, Transform jawBone, string ofHead)
        {
            mesh = onMesh;
            jaw = jawBone;
            headId = ofHead;
            _hasWarned = false;
            FindParts();
        }

        public override void FindParts()
        {
            _shapes.Clear();
            _jaw = BoneBinding.For(jaw, transform);
            if (mesh == null || mesh.sharedMesh == null)
                return;
            int first = int.MaxValue;
            for (int index = 0; index < mesh.sharedMesh.blendShapeCount; index++)
                if (TryNumber(mesh.sharedMesh.GetBlendShapeName(index), out int number))
                {
                    first = Mathf.Min(first, number);
                    _shapes.Add(new KeyValuePair<int, ShapeBinding>(number, new ShapeBinding(mesh, index)));
                }
            // Some exporters count from 0, others from 1.
            int size = ChannelInfo.All[(int)Channel.Expression].Size;
            for (int index = _shapes.Count - 1; index >= 0; index--)
            {
                int coefficient = _shapes[index].Key - Mathf.Min(first, 1);
                if (coefficient < size)
                    _shapes[index] = new KeyValuePair<int, ShapeBinding>(coefficient, _shapes[index].Value);
                else
                    _shapes.RemoveAt(index);
            }
        }

        public override void Show(FaceFrame frame, float presence)
        {
            if (!string.IsNullOrEmpty(headId) && frame.Head != headId)
            {
                if (!_hasWarned)
                    Debug.LogWarning(
                        "Flame Face wants coefficients of " + headId + " and gets those of " + frame.Head +
                        "; run the driver with --head " + headId);
                _hasWarned = true;
                presence = 0f;
            }
            // Coefficients may be negative, and so may weights, unless the project's player settings clamp blend shapes.
            foreach (var shape in _shapes)
                shape.Value.Set(frame.Expression[shape.Key] / fullWeightAt * presence);
            _jaw?.Set(AxisConversion.JawRotation(frame), presence);
        }

        /// <summary>"Exp012", "expression_12", "head.exp12": 12.</summary>
        static bool TryNumber(string name, out int number)
        {
            string plain = name.Substring(name.LastIndexOf('.') + 1).ToLowerInvariant();
            int digits = plain.Length;
            while (digits > 0 && char.IsDigit(plain[digits - 1]))
                digits--;
            number = 0;
            string word = plain.Substring(0, digits).TrimEnd('_', '-', ' ');
            return (word == "exp" || word == "expression" || word == "psi") && int.TryParse(plain.Substring(digits), out number);
        }
    }
}
