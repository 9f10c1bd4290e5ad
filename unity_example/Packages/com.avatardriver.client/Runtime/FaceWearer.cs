using UnityEngine;

namespace AvatarDriver
{
    /// <summary>
    /// What shows a face on some part of an avatar. It acts in LateUpdate, after animations; it fades in when faces begin
    /// to come, and to the avatar's rest when the sender is gone.
    /// </summary>
    public abstract class FaceWearer : MonoBehaviour
    {
        [SerializeField, Tooltip("A Face Receiver, or another source of faces.")]
        FaceSource source;

        [SerializeField, Min(0.01f), Tooltip("Seconds of the fade when the sender appears or is gone.")]
        float fadeSeconds = 0.3f;

        FaceFrame _frame;
        float _presence;

        /// <summary>Where faces come from.</summary>
        public FaceSource Source
        {
            get => source;
            set => source = value;
        }

        /// <summary>Look for the parts again, after they have changed. The avatar must be at rest.</summary>
        public abstract void FindParts();

        /// <summary>Show a frame, between the avatar's rest (presence 0) and the whole face (1).</summary>
        public abstract void Show(FaceFrame frame, float presence);

        void OnEnable() => FindParts();

        void OnDisable()
        {
            _presence = 0f;
            if (_frame != null)
                Show(_frame, 0f);
        }

        void LateUpdate()
        {
            if (source == null)
                return;
            bool isThere = source.State == FaceState.Live || source.State == FaceState.Stale;
            _presence = Mathf.MoveTowards(_presence, isThere ? 1f : 0f, Time.deltaTime / fadeSeconds);
            _frame = source.Current ?? _frame;
            if (_frame != null)
                Show(_frame, _presence);
        }
    }
}
