// The components on the stand-in for UnityEngine: a frame over UDP, through FaceReceiver, onto an avatar's blend shapes.
using System;
using System.Net;
using System.Net.Sockets;
using System.Reflection;
using System.Threading;
using AvatarDriver;
using AvatarDriver.Tests;
using UnityEngine;

static class AvatarCheck
{
    public static int Run()
    {
        int port = FreePort();
        var avatar = new GameObject("avatar");
        var receiver = avatar.AddComponent<FaceReceiver>();
        var face = avatar.AddComponent<BlendShapeFace>();
        face.Source = receiver;
        var fbx = new SkinnedMeshRenderer { sharedMesh = new Mesh(100f, "Face.eyeBlink_L", "unrelated", "JawOpen") };
        var gltf = new SkinnedMeshRenderer { sharedMesh = new Mesh(1f, "jawOpen") };
        Set(receiver, "port", port);
        Call(receiver, "OnEnable");
        face.Bind(new[] { fbx, gltf });
        Console.WriteLine("bound " + face.BoundShapes + " " + receiver.State);

        Send(port, GoldenPackets.FaceWink);
        Time.unscaledTime = 10f;
        Time.deltaTime = 10f;
        for (int tries = 0; tries < 500 && receiver.Current == null; tries++)
        {
            Thread.Sleep(10);
            Call(receiver, "Update");
        }
        Console.WriteLine("live " + Shown(receiver, face, fbx, gltf));
        Time.unscaledTime = 10.5f;
        Console.WriteLine("stale " + Shown(receiver, face, fbx, gltf));
        Time.unscaledTime = 11.5f;
        Console.WriteLine("gone " + Shown(receiver, face, fbx, gltf));

        Flame(receiver.Current);
        Mapped(receiver.Current);

        var second = avatar.AddComponent<FaceReceiver>();
        Set(second, "port", port);
        Call(second, "OnEnable");
        Console.WriteLine("second " + second.enabled + " " + Debug.Messages[Debug.Messages.Count - 1]);
        Call(receiver, "OnDisable");
        return fbx.Weights.ContainsKey(1) ? 1 : 0;
    }

    static string Shown(FaceSource source, FaceWearer face, SkinnedMeshRenderer fbx, SkinnedMeshRenderer gltf)
    {
        Call(face, "LateUpdate");
        return source.State + " " + fbx.Weights[0] + " " + fbx.Weights[2] + " " + gltf.Weights[0];
    }

    /// <summary>Coefficients on numbered shapes, counted from 1 and from 0, and those of another head on none.</summary>
    static void Flame(FaceFrame frame)
    {
        var mesh = new SkinnedMeshRenderer { sharedMesh = new Mesh(100f, "Exp2", "shape1", "Exp1", "Exp51", "Exp50") };
        var face = new GameObject("flame").AddComponent<FlameFace>();
        face.Bind(mesh, null, "");
        face.Show(frame, 1f);
        Console.WriteLine("flame " + face.BoundShapes + " " + mesh.Weights[2] + " " + mesh.Weights[0] + " " + mesh.Weights[4]);
        var fromZero = new SkinnedMeshRenderer { sharedMesh = new Mesh(1f, "head.expression_000", "head.expression_001") };
        face.Bind(fromZero, null, frame.Head);
        face.Show(frame, 0.5f);
        Console.WriteLine("from zero " + face.BoundShapes + " " + fromZero.Weights[0] + " " + fromZero.Weights[1]);
        face.Bind(mesh, null, "my-flame");
        face.Show(frame, 1f);
        face.Show(frame, 1f);
        Console.WriteLine("another head " + mesh.Weights[2] + " " + Debug.Messages[Debug.Messages.Count - 1]);
    }

    /// <summary>A map: another name, a gain, one shape for two weights, and a name that would be found without it.</summary>
    static void Mapped(FaceFrame frame)
    {
        var map = ScriptableObject.CreateInstance<ShapeMap>();
        map.entries = new[]
        {
            new ShapeMap.Entry { shape = ArkitShape.JawOpen, blendShape = "Fcl_MTH_A", gain = 0.5f },
            new ShapeMap.Entry { shape = ArkitShape.EyeBlinkLeft, gain = 0.25f },
            new ShapeMap.Entry { shape = ArkitShape.MouthSmileRight, blendShape = "Both" },
            new ShapeMap.Entry { shape = ArkitShape.TongueOut, blendShape = "Both" },
        };
        var mesh = new SkinnedMeshRenderer { sharedMesh = new Mesh(100f, "Fcl_MTH_A", "eyeBlinkLeft", "jawOpen", "Both", "mouthLeft") };
        var face = new GameObject("mapped").AddComponent<BlendShapeFace>();
        face.Bind(new[] { mesh }, map);
        face.Show(frame, 1f);
        Console.WriteLine(
            "mapped " + face.BoundShapes + " " + mesh.Weights[0] + " " + mesh.Weights[1] + " " + mesh.Weights.ContainsKey(2) +
            " " + mesh.Weights[3] + " " + mesh.Weights[4]);
    }

    /// <summary>The sample that plays recordings, at 30 pictures a second; a line for each.</summary>
    public static int Play(string path)
    {
        var player = new GameObject("player").AddComponent<AvatarDriver.Samples.RecordingPlayer>();
        Set(player, "file", path);
        Set(player, "loop", false);
        player.FrameReceived += frame => Console.WriteLine("frame " + frame.Seq);
        Call(player, "OnEnable");
        Time.deltaTime = 1f / 30f;
        for (int picture = 0; picture < 6; picture++)
        {
            Call(player, "Update");
            Console.WriteLine("shown " + player.Current[ArkitShape.JawOpen].ToString("0.000"));
        }
        return 0;
    }

    /// <summary>What Unity calls by name, wherever in the class's line it is written.</summary>
    static void Call(object on, string method)
    {
        for (var type = on.GetType(); type != null; type = type.BaseType)
        {
            var found = type.GetMethod(
                method, BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.DeclaredOnly);
            if (found == null)
                continue;
            found.Invoke(on, null);
            return;
        }
        throw new MissingMethodException(on.GetType().Name, method);
    }

    static void Set(object on, string field, object value) =>
        on.GetType().GetField(field, BindingFlags.Instance | BindingFlags.NonPublic).SetValue(on, value);

    static int FreePort()
    {
        using (var socket = new UdpClient(new IPEndPoint(IPAddress.Loopback, 0)))
            return ((IPEndPoint)socket.Client.LocalEndPoint).Port;
    }

    static void Send(int port, byte[] packet)
    {
        using (var socket = new UdpClient())
            socket.Send(packet, packet.Length, new IPEndPoint(IPAddress.Loopback, port));
    }
}
