using System;

namespace AvatarDriver
{
    /// <summary>A packet breaks the wire's rules; the only exception that reading one throws.</summary>
    public sealed class ProtocolException : Exception
    {
        public ProtocolException(string message) : base(message)
        {
        }
    }
}
