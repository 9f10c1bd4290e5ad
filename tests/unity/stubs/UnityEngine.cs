// Just enough of UnityEngine to compile the package and to run its tests without Unity. The arithmetic is real.
using System;
using System.Collections.Generic;

namespace UnityEngine
{
    public sealed class SerializeField : Attribute { }
    public sealed class TooltipAttribute : Attribute { public TooltipAttribute(string text) { } }
    public sealed class HeaderAttribute : Attribute { public HeaderAttribute(string text) { } }
    public sealed class RangeAttribute : Attribute { public RangeAttribute(float low, float high) { } }
    public sealed class MinAttribute : Attribute { public MinAttribute(float low) { } }
    public sealed class AddComponentMenu : Attribute { public AddComponentMenu(string path) { } }
    public sealed class CreateAssetMenuAttribute : Attribute { public string menuName { get; set; } public string fileName { get; set; } }
    public sealed class DefaultExecutionOrder : Attribute { public DefaultExecutionOrder(int order) { } }

    public static class Mathf
    {
        public const float PI = (float)Math.PI;
        public static float Sqrt(float value) => (float)Math.Sqrt(value);
        public static float Sin(float value) => (float)Math.Sin(value);
        public static float Cos(float value) => (float)Math.Cos(value);
        public static float Abs(float value) => Math.Abs(value);
        public static float Max(float a, float b) => Math.Max(a, b);
        public static int Min(int a, int b) => Math.Min(a, b);
        public static float Clamp01(float value) => Math.Max(0f, Math.Min(1f, value));

        public static float MoveTowards(float from, float to, float most) =>
            Math.Abs(to - from) <= most ? to : from + Math.Sign(to - from) * most;
    }

    public struct Vector3
    {
        public float x, y, z;
        public Vector3(float x, float y, float z) { this.x = x; this.y = y; this.z = z; }
    }

    public struct Quaternion
    {
        public float x, y, z, w;
        public Quaternion(float x, float y, float z, float w) { this.x = x; this.y = y; this.z = z; this.w = w; }
        public static Quaternion identity => new Quaternion(0f, 0f, 0f, 1f);
        public static Quaternion Inverse(Quaternion q) => new Quaternion(-q.x, -q.y, -q.z, q.w);

        public static Quaternion operator *(Quaternion a, Quaternion b) => new Quaternion(
            a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y,
            a.w * b.y - a.x * b.z + a.y * b.w + a.z * b.x,
            a.w * b.z + a.x * b.y - a.y * b.x + a.z * b.w,
            a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z);

        public static Vector3 operator *(Quaternion q, Vector3 v)
        {
            var turned = q * new Quaternion(v.x, v.y, v.z, 0f) * Inverse(q);
            return new Vector3(turned.x, turned.y, turned.z);
        }

        public static Quaternion Slerp(Quaternion a, Quaternion b, float t)
        {
            float cosine = a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w, sign = cosine < 0f ? -1f : 1f;
            double angle = Math.Acos(Math.Min(1.0, Math.Abs(cosine)));
            float sine = (float)Math.Sin(angle);
            float from = sine < 1e-6f ? 1f - t : (float)Math.Sin((1 - t) * angle) / sine;
            float to = sign * (sine < 1e-6f ? t : (float)Math.Sin(t * angle) / sine);
            return new Quaternion(
                from * a.x + to * b.x, from * a.y + to * b.y, from * a.z + to * b.z, from * a.w + to * b.w);
        }
    }

    public class Object
    {
        public static void DestroyImmediate(Object gone) { }
    }

    public class ScriptableObject : Object
    {
        public static T CreateInstance<T>() where T : ScriptableObject, new() => new T();
    }

    /// <summary>Only the straight line, which is all that the tests use.</summary>
    public sealed class AnimationCurve
    {
        float _from, _to;
        public int length { get; private set; }
        public static AnimationCurve Linear(float timeStart, float valueStart, float timeEnd, float valueEnd) =>
            new AnimationCurve { _from = valueStart, _to = valueEnd, length = 2 };
        public float Evaluate(float time) => _from + (_to - _from) * time;
    }

    public static class Application
    {
        public static string streamingAssetsPath { get; set; } = ".";
    }

    public class Component : Object
    {
        public GameObject gameObject { get; set; }
        public Transform transform => gameObject.transform;
    }

    public class MonoBehaviour : Component
    {
        public bool enabled { get; set; } = true;
    }

    public sealed class GameObject : Object
    {
        public Transform transform { get; }
        public GameObject(string name) { transform = new Transform { gameObject = this }; }
        public T AddComponent<T>() where T : Component, new() => new T { gameObject = this };
    }

    public sealed class Transform : Component
    {
        public Transform parent { get; private set; }
        public Quaternion localRotation { get; set; } = Quaternion.identity;

        public Quaternion rotation
        {
            get => parent == null ? localRotation : parent.rotation * localRotation;
            set => localRotation = parent == null ? value : Quaternion.Inverse(parent.rotation) * value;
        }

        public void SetParent(Transform to, bool worldPositionStays) { parent = to; }
    }

    public sealed class Mesh : Object
    {
        readonly string[] _names;
        readonly float _fullWeight;
        public Mesh(float fullWeight, params string[] names) { _names = names; _fullWeight = fullWeight; }
        public int blendShapeCount => _names.Length;
        public string GetBlendShapeName(int index) => _names[index];
        public int GetBlendShapeFrameCount(int index) => 1;
        public float GetBlendShapeFrameWeight(int index, int frame) => _fullWeight;
    }

    public sealed class SkinnedMeshRenderer : Component
    {
        public readonly Dictionary<int, float> Weights = new Dictionary<int, float>();
        public Mesh sharedMesh { get; set; }
        public void SetBlendShapeWeight(int index, float weight) { Weights[index] = weight; }
    }

    public static class Time
    {
        public static float deltaTime { get; set; }
        public static float unscaledTime { get; set; }
    }

    public static class Debug
    {
        public static readonly List<string> Messages = new List<string>();
        public static void LogWarning(object message) { lock (Messages) Messages.Add("warning: " + message); }
        public static void LogError(object message, Object about) { lock (Messages) Messages.Add("error: " + message); }
    }
}
