using System.Collections.Generic;
using System.IO;
using UnityEngine;

namespace AvatarDriver.Samples
{
    /// <summary>
    /// Plays what `avatar-driver --record FILE` wrote, with its own timing: a source of faces like the receiver, so that
    /// the same avatar wears either.
    /// </summary>
    [AddComponentMenu("Avatar Driver/Recording Player")]
    [DefaultExecutionOrder(-100)]
    public sealed class RecordingPlayer : FaceSource
    {
        [SerializeField, Tooltip("A recording (.adrec); a path without a folder is looked for in StreamingAssets.")]
        string file = "talk.adrec";

        [SerializeField] bool loop = true;

        [SerializeField, Range(0.1f, 4f)] float speed = 1f;

        readonly FaceFrame _shown = new FaceFrame();
        List<FaceFrame> _frames = new List<FaceFrame>();
        double _time;
        int _next;

        void OnEnable()
        {
            string path = Path.Combine(Application.streamingAssetsPath, file);
            _time = 0.0;
            _next = 0;
            try
            {
                _frames = RecordingReader.Read(File.ReadAllBytes(path));
            }
            catch (IOException error)
            {
                Debug.LogError(path + " cannot be read (" + error.Message + "); record it with --record", this);
            }
            catch (ProtocolException error)
            {
                Debug.LogError(path + " cannot be read: " + error.Message, this);
            }
            enabled = _frames.Count > 0;
        }

        void OnDisable() => Current = null;

        void Update()
        {
            if (_frames.Count == 0)
                return;
            while (_next < _frames.Count && Since(_next) <= _time)
                Announce(_frames[_next++]);
            int last = _next - 1;
            if (_next < _frames.Count)
                FrameMath.Interpolate(
                    _frames[last], _frames[_next],
                    (float)((_time - Since(last)) / (Since(_next) - Since(last))), _shown);
            else
                FrameMath.Copy(_frames[last], _shown);
            Current = _shown;
            _time += Time.deltaTime * speed;
            if (loop && _next == _frames.Count)
            {
                _time = 0.0;
                _next = 0;
            }
        }

        /// <summary>Seconds from the first frame to frame number <paramref name="index"/>.</summary>
        double Since(int index) => (_frames[index].PublishNs - _frames[0].PublishNs) * 1e-9;
    }
}
