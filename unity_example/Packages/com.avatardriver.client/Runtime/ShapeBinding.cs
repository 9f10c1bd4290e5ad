using UnityEngine;

namespace AvatarDriver
{
    /// <summary>One blend shape of a mesh, whatever number stands for its full weight.</summary>
    sealed class ShapeBinding
    {
        readonly SkinnedMeshRenderer _mesh;
        readonly int _index;
        readonly float _fullWeight;

        public ShapeBinding(SkinnedMeshRenderer mesh, int index)
        {
            _mesh = mesh;
            _index = index;
            // 100 from FBX and VRM, 1 from some glTF importers.
            int frames = mesh.sharedMesh.GetBlendShapeFrameCount(index);
            _fullWeight = mesh.sharedMesh.GetBlendShapeFrameWeight(index, frames - 1);
        }

        /// <summary>1 is the whole shape.</summary>
        public void Set(float weight)
        {
            if (_mesh != null)
                _mesh.SetBlendShapeWeight(_index, weight * _fullWeight);
        }
    }
}
