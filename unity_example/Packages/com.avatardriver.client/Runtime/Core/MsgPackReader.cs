using System.Runtime.InteropServices;

namespace AvatarDriver
{
    /// <summary>
    /// Reads msgpack values one after the other, never past the end and without allocating.
    /// Knows what our packets hold (maps, arrays, text, bin, numbers) and passes over any other value but extensions.
    /// </summary>
    public sealed class MsgPackReader
    {
        byte[] _data = new byte[0];
        int _position;
        int _end;

        /// <summary>Begin at <paramref name="offset"/> of <paramref name="data"/>, for <paramref name="count"/> bytes.</summary>
        public void Reset(byte[] data, int offset, int count)
        {
            if (offset < 0 || count < 0 || offset > data.Length - count)
                throw new ProtocolException("the packet lies outside its buffer");
            _data = data;
            _position = offset;
            _end = offset + count;
        }

        public bool IsAtEnd => _position == _end;

        /// <summary>The number of pairs of the map that begins here.</summary>
        public int ReadMap()
        {
            int code = TakeByte();
            if (code >= 0x80 && code <= 0x8f)
                return code & 0x0f;
            if (code == 0xde)
                return (int)TakeUnsigned(2);
            if (code == 0xdf)
                return Fitting(TakeUnsigned(4));
            throw new ProtocolException("the packet is not a msgpack map");
        }

        /// <summary>The start and the length, in the buffer, of the text that begins here.</summary>
        public void ReadText(out int start, out int length)
        {
            if (!TryReadText(out start, out length))
                throw new ProtocolException("the packet has something else where a text must be");
        }

        /// <summary>As ReadText; false, and nothing read, when a value of another kind begins here.</summary>
        public bool TryReadText(out int start, out int length)
        {
            int code = PeekByte();
            length = 0;
            start = _position;
            if (code >= 0xa0 && code <= 0xbf)
                length = TakeByte() & 0x1f;
            else if (code >= 0xd9 && code <= 0xdb)
                length = Fitting(TakeUnsignedAfterCode(1 << (code - 0xd9)));
            else
                return false;
            start = Take(length);
            return true;
        }

        /// <summary>The start and the length, in the buffer, of the bin that begins here.</summary>
        public void ReadBin(out int start, out int length)
        {
            int code = PeekByte();
            if (code < 0xc4 || code > 0xc6)
                throw new ProtocolException("the packet has something else where a bin must be");
            length = Fitting(TakeUnsignedAfterCode(1 << (code - 0xc4)));
            start = Take(length);
        }

        /// <summary>An integer in 0..2^63-1.</summary>
        public long ReadCount()
        {
            long value = ReadInteger();
            if (value < 0)
                throw new ProtocolException("the packet has a count outside 0..2^63-1");
            return value;
        }

        /// <summary>Any integer or float.</summary>
        public double ReadNumber()
        {
            switch (PeekByte())
            {
                case 0xca:
                    return new FloatBits { Bits = (uint)TakeUnsignedAfterCode(4) }.Value;
                case 0xcb:
                    return System.BitConverter.Int64BitsToDouble((long)TakeUnsignedAfterCode(8));
                default:
                    return ReadInteger();
            }
        }

        long ReadInteger()
        {
            int code = TakeByte();
            if (code <= 0x7f)
                return code;
            if (code >= 0xe0)
                return (sbyte)code;
            switch (code)
            {
                case 0xcc: return (long)TakeUnsigned(1);
                case 0xcd: return (long)TakeUnsigned(2);
                case 0xce: return (long)TakeUnsigned(4);
                case 0xcf: return Fitting64(TakeUnsigned(8));
                case 0xd0: return (sbyte)TakeUnsigned(1);
                case 0xd1: return (short)TakeUnsigned(2);
                case 0xd2: return (int)TakeUnsigned(4);
                case 0xd3: return (long)TakeUnsigned(8);
                default: throw new ProtocolException("the packet has something else where a number must be");
            }
        }

        /// <summary>Pass over one value, with all that it contains.</summary>
        public void Skip()
        {
            for (long left = 1; left > 0; left--)
                left += SkipOne();
        }

        /// <summary>Passes over one value, but for what it contains; the number of values that it contains.</summary>
        long SkipOne()
        {
            int code = PeekByte();
            if (code <= 0x7f || code >= 0xe0 || code == 0xc0 || code == 0xc2 || code == 0xc3)
            {
                Take(1);
                return 0;
            }
            if ((code >= 0x80 && code <= 0x8f) || code == 0xde || code == 0xdf)
                return 2L * ReadMap();
            if (code >= 0x90 && code <= 0x9f)
                return TakeByte() & 0x0f;
            if (code == 0xdc || code == 0xdd)
                return Fitting(TakeUnsignedAfterCode(code == 0xdc ? 2 : 4));
            if (code >= 0xca && code <= 0xd3)
                ReadNumberOfAnySize(code);
            else if (code >= 0xc4 && code <= 0xc6)
                ReadBin(out _, out _);
            else
                ReadText(out _, out _); // refuses extensions (0xc7.., 0xd4..) and the unused code 0xc1
            return 0;
        }

        void ReadNumberOfAnySize(int code)
        {
            int size = code == 0xca ? 4 : code == 0xcb ? 8 : 1 << ((code - 0xcc) & 3);
            Take(1 + size);
        }

        int PeekByte()
        {
            if (_position == _end)
                throw new ProtocolException("the packet ends too early");
            return _data[_position];
        }

        int TakeByte() => _data[Take(1)];

        /// <summary>Moves on by <paramref name="count"/> bytes; where they begin.</summary>
        int Take(int count)
        {
            if (count > _end - _position)
                throw new ProtocolException("the packet ends too early");
            int start = _position;
            _position += count;
            return start;
        }

        ulong TakeUnsignedAfterCode(int size)
        {
            Take(1);
            return TakeUnsigned(size);
        }

        ulong TakeUnsigned(int size)
        {
            int start = Take(size);
            ulong value = 0;
            for (int index = start; index < start + size; index++)
                value = value << 8 | _data[index];
            return value;
        }

        /// <summary>A length as an int; lengths over the packet's own are refused here, before anything is added.</summary>
        int Fitting(ulong length)
        {
            if (length > (ulong)(_end - _position))
                throw new ProtocolException("the packet ends too early");
            return (int)length;
        }

        static long Fitting64(ulong value)
        {
            if (value > long.MaxValue)
                throw new ProtocolException("the packet has an integer over 2^63-1");
            return (long)value;
        }

        [StructLayout(LayoutKind.Explicit)]
        struct FloatBits
        {
            [FieldOffset(0)] public uint Bits;
            [FieldOffset(0)] public float Value;
        }
    }
}
