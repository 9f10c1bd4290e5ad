// What the tests in test_reader.py run under mono: the package's plain C#, fed by files and sockets.
using System;
using System.IO;
using System.Text;
using System.Threading;
using AvatarDriver;

static class Program
{
    static int Main(string[] arguments)
    {
        switch (arguments[0])
        {
            case "edit-mode-tests": return NUnit.Framework.Runner.Run(typeof(Program).Assembly);
            case "read": return Read(arguments[1]);
            case "garbage": return Garbage(arguments[1], int.Parse(arguments[2]));
            case "receive": return Receive();
            case "listen": return Listen();
            case "avatar": return AvatarCheck.Run();
            case "axes": return Axes(arguments[1]);
            case "recordings": return Recordings(arguments[1]);
            case "player": return AvatarCheck.Play(arguments[1]);
            default: return 99;
        }
    }

    /// <summary>A line for each length-prefixed packet of a file: what it is, with all values as hexadecimal floats.</summary>
    static int Read(string path)
    {
        var reader = new FrameReader();
        var output = new StringBuilder();
        using (var file = new BinaryReader(File.OpenRead(path)))
            while (file.BaseStream.Position < file.BaseStream.Length)
            {
                byte[] packet = file.ReadBytes(file.ReadInt32());
                var frame = new FaceFrame();
                try
                {
                    output.AppendLine(
                        reader.Read(packet, 0, packet.Length, frame) == PacketKind.Hello ? "hello" : Describe(frame));
                }
                catch (ProtocolException error)
                {
                    output.AppendLine("refused " + error.Message);
                }
            }
        Console.Write(output);
        return 0;
    }

    static string Describe(FaceFrame frame)
    {
        var text = new StringBuilder("face");
        text.Append(' ').Append(frame.Seq).Append(' ').Append(frame.CaptureNs).Append(' ').Append(frame.PublishNs);
        text.Append(' ').Append(BitConverter.ToString(Encoding.UTF8.GetBytes(frame.Head)).Replace("-", ""));
        foreach (Channel channel in Enum.GetValues(typeof(Channel)))
        {
            text.Append(' ');
            if (channel == Channel.Shape && !frame.HasShape || channel == Channel.Detail && !frame.HasDetail)
                text.Append('-');
            else
                foreach (float value in frame[channel])
                    text.Append(BitConverter.ToString(BitConverter.GetBytes(value)).Replace("-", ""));
        }
        return text.ToString();
    }

    /// <summary>Where nose, left ear, both gazes and chin of one packet's face point, in Unity's axes.</summary>
    static int Axes(string path)
    {
        byte[] packet = File.ReadAllBytes(path);
        var frame = new FaceFrame();
        new FrameReader().Read(packet, 0, packet.Length, frame);
        var outwards = new UnityEngine.Vector3(0f, 0f, 1f);
        var head = AxisConversion.HeadRotation(frame);
        Print("nose", head * outwards);
        Print("left_ear", head * new UnityEngine.Vector3(-1f, 0f, 0f));
        Print("left_eye", AxisConversion.LeftEyeRotation(frame) * outwards);
        Print("right_eye", AxisConversion.RightEyeRotation(frame) * outwards);
        Print("chin", AxisConversion.JawRotation(frame) * outwards);
        Print("position", AxisConversion.HeadPosition(frame));
        Console.WriteLine("lids " + frame[ArkitShape.EyeBlinkLeft] + " " + frame[ArkitShape.EyeBlinkRight] + " 0");
        return 0;
    }

    static void Print(string name, UnityEngine.Vector3 v) =>
        Console.WriteLine(name + " " + v.x.ToString("R") + " " + v.y.ToString("R") + " " + v.z.ToString("R"));

    /// <summary>A line for each length-prefixed recording of a file: the number of its frames and the last one's.</summary>
    static int Recordings(string path)
    {
        using (var file = new BinaryReader(File.OpenRead(path)))
            while (file.BaseStream.Position < file.BaseStream.Length)
            {
                try
                {
                    var frames = RecordingReader.Read(file.ReadBytes(file.ReadInt32()));
                    var last = frames.Count == 0 ? null : frames[frames.Count - 1];
                    Console.WriteLine(
                        frames.Count + " " + (last == null ? "-" : last.Seq + " " + last.HasShape + " " + Describe(last)));
                }
                catch (ProtocolException error)
                {
                    Console.WriteLine("refused " + error.Message);
                }
            }
        return 0;
    }

    /// <summary>Garbage collections while one packet is read many times, and the time of each reading.</summary>
    static int Garbage(string path, int count)
    {
        byte[] packet = File.ReadAllBytes(path);
        var reader = new FrameReader();
        var frame = new FaceFrame();
        reader.Read(packet, 0, packet.Length, frame);
        GC.Collect();
        int before = GC.CollectionCount(0);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        for (int index = 0; index < count; index++)
            reader.Read(packet, 0, packet.Length, frame);
        Console.WriteLine((GC.CollectionCount(0) - before) + " " + watch.Elapsed.TotalMilliseconds * 1000 / count);
        return 0;
    }

    /// <summary>Prints the port, then a line for each newest frame: ms of Unix time, the counters and the values.</summary>
    static int Listen()
    {
        var unixEpoch = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        bool isOver = false;
        new Thread(() => { Console.In.ReadToEnd(); Volatile.Write(ref isOver, true); }) { IsBackground = true }.Start();
        var frame = new FaceFrame();
        using (var receiver = new UdpReceiver(0, "127.0.0.1", message => Console.Error.WriteLine(message)))
        {
            var inbox = receiver.Inbox;
            Console.WriteLine(receiver.Port);
            while (!Volatile.Read(ref isOver))
            {
                if (!inbox.TryTakeNewest(ref frame))
                {
                    Thread.Sleep(1);
                    continue;
                }
                double atMs = (DateTime.UtcNow - unixEpoch).TotalMilliseconds;
                Console.WriteLine(
                    atMs.ToString("R") + " " + inbox.Received + " " + inbox.Lost + " " + inbox.Damaged + " " +
                    Describe(frame));
            }
        }
        return 0;
    }

    /// <summary>Prints the port, then for each line of input the counters and the newest frame, and ends with the input.</summary>
    static int Receive()
    {
        var frame = new FaceFrame();
        using (var receiver = new UdpReceiver(0, "127.0.0.1", message => Console.Error.WriteLine(message)))
        {
            var inbox = receiver.Inbox;
            Console.WriteLine(receiver.Port);
            while (Console.ReadLine() != null)
            {
                bool isNew = inbox.TryTakeNewest(ref frame);
                Console.WriteLine(
                    inbox.Received + " " + inbox.Lost + " " + inbox.Late + " " + inbox.Damaged + " " +
                    (isNew ? frame.Seq : -1) + " " + (frame.HasShape ? frame.Shape[99] : 0f).ToString("R"));
            }
        }
        Console.WriteLine("stopped");
        return 0;
    }
}
