using System;
using System.Text;

namespace AvatarDriver
{
    /// <summary>What a packet is.</summary>
    public enum PacketKind
    {
        /// <summary>A face; the frame has been filled.</summary>
        Face,

        /// <summary>The sender's introduction; the frame is untouched.</summary>
        Hello,
    }

    /// <summary>
    /// Reads msgpack packets into frames, as PROTOCOL.md describes them, without allocating once the head's id is known.
    /// One reader is for one thread. After a ProtocolException the frame may be half filled: use it only for the next one.
    /// </summary>
    public sealed class FrameReader
    {
        const int MaxPacketBytes = 65507;
        const int MaxHeadBytes = 64;
        // float32 rounding of a bound (pi, for example) may land just outside it.
        const double Tolerance = 1e-5;

        static readonly UTF8Encoding Utf8 = new UTF8Encoding(false, true);
        static readonly byte[][] ChannelKeys = KeysOf(ChannelInfo.All);
        static readonly byte[] FaceType = Ascii("face");
        static readonly byte[] HelloType = Ascii("hello");

        // Keys beside the channels', as bits behind them.
        static readonly byte[][] HeaderKeys = Array.ConvertAll(
            new[] { "v", "type", "seq", "capture_ns", "publish_ns", "head" }, Ascii);

        readonly MsgPackReader _reader = new MsgPackReader();
        byte[] _data;
        byte[] _headBytes = new byte[0];
        string _head = "";
        PacketKind? _kind;

        public FrameReader()
        {
            if (!BitConverter.IsLittleEndian)
                throw new PlatformNotSupportedException("the wire's floats are copied as they are: little-endian only");
        }

        /// <summary>Read one packet; a face goes into <paramref name="frame"/>.</summary>
        /// <exception cref="ProtocolException">The packet breaks a rule of PROTOCOL.md.</exception>
        public PacketKind Read(byte[] data, int offset, int count, FaceFrame frame)
        {
            if (count > MaxPacketBytes)
                throw new ProtocolException("the packet is longer than a datagram can be");
            FindKind(data, offset, count);
            if (_kind == PacketKind.Hello)
                return PacketKind.Hello;
            _reader.Reset(data, offset, count);
            int seen = 0;
            for (int left = _reader.ReadMap(); left > 0; left--)
            {
                int key = ReadKey();
                if (key < 0)
                {
                    _reader.Skip();
                    continue;
                }
                seen |= 1 << key;
                if (key < ChannelKeys.Length)
                    ReadChannel(ChannelInfo.All[key], frame[(Channel)key]);
                else
                    ReadHeader(key - ChannelKeys.Length, frame);
            }
            CheckComplete(seen);
            frame.HasShape = (seen & 1 << (int)Channel.Shape) != 0;
            frame.HasDetail = (seen & 1 << (int)Channel.Detail) != 0;
            return PacketKind.Face;
        }

        /// <summary>A first pass: the keys may come in any order, and the version decides whether the rest makes sense.</summary>
        void FindKind(byte[] data, int offset, int count)
        {
            _data = data;
            _kind = null;
            long version = -1;
            int seen = 0;
            _reader.Reset(data, offset, count);
            for (int left = _reader.ReadMap(); left > 0; left--)
            {
                int key = ReadKey();
                if (key >= 0 && (seen & 1 << key) != 0)
                    throw new ProtocolException("the packet has a key twice");
                if (key >= 0)
                    seen |= 1 << key;
                if (key == ChannelKeys.Length)
                    version = _reader.ReadCount();
                else if (key == ChannelKeys.Length + 1)
                    _kind = ReadKind();
                else
                    _reader.Skip();
            }
            if (!_reader.IsAtEnd)
                throw new ProtocolException("the packet goes on after its map");
            if (version != FaceFrame.SchemaVersion)
                throw new ProtocolException(
                    "the packet has schema version " + version + " and this client reads " + FaceFrame.SchemaVersion +
                    "; use the same release on both sides");
            if (_kind == null)
                throw new ProtocolException("the packet does not say what it is");
        }

        PacketKind ReadKind()
        {
            _reader.ReadText(out int start, out int length);
            if (IsSame(FaceType, start, length))
                return PacketKind.Face;
            if (IsSame(HelloType, start, length))
                return PacketKind.Hello;
            throw new ProtocolException("the packet is neither a face nor a hello");
        }

        /// <summary>The channel or, behind the channels, the header key that is read here; -1 for one we do not know.</summary>
        int ReadKey()
        {
            if (!_reader.TryReadText(out int start, out int length))
            {
                _reader.ReadBin(out _, out _);
                return -1;
            }
            for (int index = 0; index < ChannelKeys.Length; index++)
                if (IsSame(ChannelKeys[index], start, length))
                    return index;
            for (int index = 0; index < HeaderKeys.Length; index++)
                if (IsSame(HeaderKeys[index], start, length))
                    return ChannelKeys.Length + index;
            return -1;
        }

        void ReadHeader(int index, FaceFrame frame)
        {
            switch (index)
            {
                case 2: frame.Seq = _reader.ReadCount(); break;
                case 3: frame.CaptureNs = _reader.ReadCount(); break;
                case 4: frame.PublishNs = _reader.ReadCount(); break;
                case 5: frame.Head = ReadHead(); break;
                default: _reader.Skip(); break; // the version and the type, known from the first pass
            }
        }

        string ReadHead()
        {
            _reader.ReadText(out int start, out int length);
            if (length < 1 || length > MaxHeadBytes)
                throw new ProtocolException("the head's id must have 1..64 bytes");
            if (IsSame(_headBytes, start, length))
                return _head;
            string head;
            try
            {
                head = Utf8.GetString(_data, start, length);
            }
            catch (ArgumentException)
            {
                throw new ProtocolException("the head's id is not UTF-8");
            }
            foreach (char letter in head)
                if (char.IsControl(letter))
                    throw new ProtocolException("the head's id must be printable");
            _headBytes = new byte[length];
            Array.Copy(_data, start, _headBytes, 0, length);
            _head = head;
            return head;
        }

        void ReadChannel(ChannelInfo info, float[] values)
        {
            if (info.Size == 1)
            {
                values[0] = (float)_reader.ReadNumber();
            }
            else
            {
                _reader.ReadBin(out int start, out int length);
                if (length != 4 * info.Size)
                    throw new ProtocolException(info.Name + " has " + length + " bytes; it must have " + 4 * info.Size);
                Buffer.BlockCopy(_data, start, values, 0, length);
            }
            double low = info.Minimum - Tolerance, high = info.Maximum + Tolerance;
            foreach (float value in values)
                if (!(value >= low && value <= high)) // NaN is neither
                    throw new ProtocolException(
                        info.Name + " holds " + value + "; it must be finite and within " + info.Minimum + ".." + info.Maximum);
        }

        static void CheckComplete(int seen)
        {
            for (int index = 0; index < ChannelKeys.Length + HeaderKeys.Length; index++)
            {
                bool isOptional = index < ChannelKeys.Length && ChannelInfo.All[index].IsOptional;
                if (!isOptional && (seen & 1 << index) == 0)
                    throw new ProtocolException(
                        "the face has no " + Utf8.GetString(
                            index < ChannelKeys.Length ? ChannelKeys[index] : HeaderKeys[index - ChannelKeys.Length]));
            }
        }

        bool IsSame(byte[] text, int start, int length)
        {
            if (length != text.Length)
                return false;
            for (int index = 0; index < length; index++)
                if (_data[start + index] != text[index])
                    return false;
            return true;
        }

        static byte[] Ascii(string text) => Encoding.ASCII.GetBytes(text);

        static byte[][] KeysOf(ChannelInfo[] channels) => Array.ConvertAll(channels, channel => Ascii(channel.Name));
    }
}
