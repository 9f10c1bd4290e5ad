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
        var face = avatar.AddComponent<AvatarFace>();
        var fbx = new SkinnedMeshRenderer { sharedMesh = new Mesh(100f, "Face.eyeBlink_L", "unrelated", "JawOpen") };
        var gltf = new SkinnedMeshRenderer { sharedMesh = new Mesh(1f, "jawOpen") };
        Set(receiver, "port", port);
        Call(receiver, "OnEnable");
        face.Bind(receiver, new[] { fbx, gltf }, null, null, null, null);
        Console.WriteLine("bound " + face.BoundShapes);

        Send(port, GoldenPackets.FaceWink);
        Time.unscaledTime = 10f;
        for (int tries = 0; tries < 500 && receiver.Current == null; tries++)
        {
            Thread.Sleep(10);
            Call(receiver, "Update");
        }
        Time.deltaTime = 10f;
        Call(face, "LateUpdate");
        Console.WriteLine("live " + receiver.IsLive + " " + fbx.Weights[0] + " " + fbx.Weights[2] + " " + gltf.Weights[0]);

        Time.unscaledTime = 11f;
        Call(face, "LateUpdate");
        Console.WriteLine("gone " + receiver.IsLive + " " + fbx.Weights[0] + " " + fbx.Weights[2] + " " + gltf.Weights[0]);

        var second = avatar.AddComponent<FaceReceiver>();
        Set(second, "port", port);
        Call(second, "OnEnable");
        Console.WriteLine("second " + second.enabled + " " + Debug.Messages[0]);
        Call(receiver, "OnDisable");
        return fbx.Weights.ContainsKey(1) ? 1 : 0;
    }

    static void Call(object on, string method) =>
        on.GetType().GetMethod(method, BindingFlags.Instance | BindingFlags.NonPublic).Invoke(on, null);

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
