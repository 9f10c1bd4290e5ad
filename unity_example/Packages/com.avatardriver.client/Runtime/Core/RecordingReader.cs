using System;
using System.Collections.Generic;

namespace AvatarDriver
{
    /// <summary>Reads what `avatar-driver --record` wrote: a header, then records, each with its checksum.</summary>
    public static class RecordingReader
    {
        const int HeaderBytes = 24;
        const int RecordOverheadBytes = 9;
        const int MostPayloadBytes = 65507;
        const byte PacketKindOfRecord = 1;
        static readonly byte[] Magic = { 0x89, (byte)'A', (byte)'V', (byte)'D', 0x0D, 0x0A, 0x1A, 0x0A };
        static readonly uint[] CrcTable = BuildCrcTable();

        /// <summary>All faces of a recording, in order. A record that a crash has cut short ends them.</summary>
        /// <exception cref="ProtocolException">The bytes are no recording, or damaged.</exception>
        public static List<FaceFrame> Read(byte[] data)
        {
            CheckHeader(data);
            var frames = new List<FaceFrame>();
            var reader = new FrameReader();
            int position = HeaderBytes;
            while (data.Length - position >= RecordOverheadBytes)
            {
                uint length = Number(data, position);
                if (length > MostPayloadBytes)
                    throw new ProtocolException("the record at byte " + position + " claims " + length + " bytes");
                if (data.Length - position - RecordOverheadBytes < length)
                    break;
                if (Crc(data, position + 8, (int)length + 1) != Number(data, position + 4))
                    throw new ProtocolException("the record at byte " + position + " is damaged");
                var frame = new FaceFrame();
                if (data[position + 8] == PacketKindOfRecord &&
                    reader.Read(data, position + RecordOverheadBytes, (int)length, frame) == PacketKind.Face)
                    frames.Add(WithIdentity(frame, frames));
                position += RecordOverheadBytes + (int)length;
            }
            return frames;
        }

        static void CheckHeader(byte[] data)
        {
            if (data.Length < HeaderBytes)
                throw new ProtocolException("a recording has at least " + HeaderBytes + " bytes");
            for (int index = 0; index < Magic.Length; index++)
                if (data[index] != Magic[index])
                    throw new ProtocolException("this is no recording of avatar-driver");
            if (Number(data, 8) != 1)
                throw new ProtocolException("this recording has version " + Number(data, 8) + "; this client reads 1");
            if (Crc(data, 0, 20) != Number(data, 20))
                throw new ProtocolException("the recording's header is damaged");
        }

        /// <summary>Frames without identity or detail have the latest of the same head.</summary>
        static FaceFrame WithIdentity(FaceFrame frame, List<FaceFrame> before)
        {
            var last = before.Count == 0 ? null : before[before.Count - 1];
            if (last != null)
                FrameMath.Complete(frame, last);
            return frame;
        }

        static uint Number(byte[] data, int at) =>
            data[at] | (uint)data[at + 1] << 8 | (uint)data[at + 2] << 16 | (uint)data[at + 3] << 24;

        /// <summary>The checksum of PNG and zip.</summary>
        static uint Crc(byte[] data, int start, int count)
        {
            uint crc = 0xFFFFFFFF;
            for (int index = start; index < start + count; index++)
                crc = CrcTable[(crc ^ data[index]) & 0xFF] ^ (crc >> 8);
            return ~crc;
        }

        static uint[] BuildCrcTable()
        {
            var table = new uint[256];
            for (uint value = 0; value < 256; value++)
            {
                uint crc = value;
                for (int bit = 0; bit < 8; bit++)
                    crc = (crc & 1) != 0 ? 0xEDB88320 ^ (crc >> 1) : crc >> 1;
                table[value] = crc;
            }
            return table;
        }
    }
}
