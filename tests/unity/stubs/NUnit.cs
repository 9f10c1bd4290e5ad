// Just enough of NUnit to run the package's EditMode tests without Unity.
using System;
using System.Reflection;

namespace NUnit.Framework
{
    public sealed class TestAttribute : Attribute { }

    [AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
    public sealed class TestCaseAttribute : Attribute
    {
        public readonly object[] Arguments;
        public TestCaseAttribute(params object[] arguments) { Arguments = arguments; }
    }

    public sealed class TestCaseSourceAttribute : Attribute
    {
        public readonly string Name;
        public TestCaseSourceAttribute(string name) { Name = name; }
    }

    public sealed class AssertionException : Exception
    {
        public AssertionException(string message) : base(message) { }
    }

    public delegate void TestDelegate();

    public static class Assert
    {
        public static void AreEqual(object expected, object actual)
        {
            if (!Equals(expected, actual))
                throw new AssertionException("expected " + expected + ", got " + actual);
        }

        public static void AreEqual(double expected, double actual, double delta, string message = "")
        {
            if (!(Math.Abs(expected - actual) <= delta))
                throw new AssertionException(message + ": expected " + expected + ", got " + actual);
        }

        public static void IsTrue(bool condition, string message = "")
        {
            if (!condition)
                throw new AssertionException("not true: " + message);
        }

        public static T Throws<T>(TestDelegate code) where T : Exception
        {
            try
            {
                code();
            }
            catch (T expected)
            {
                return expected;
            }
            throw new AssertionException("nothing was thrown");
        }
    }

    /// <summary>Runs every test of an assembly and prints a line for each; the number of failures is the exit code.</summary>
    public static class Runner
    {
        const BindingFlags All = BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;

        public static int Run(Assembly assembly)
        {
            int failures = 0;
            foreach (var type in assembly.GetTypes())
                foreach (var method in type.GetMethods(All))
                {
                    if (method.IsDefined(typeof(TestAttribute), false))
                        failures += RunOne(type, method, null);
                    foreach (TestCaseAttribute test in method.GetCustomAttributes(typeof(TestCaseAttribute), false))
                        failures += RunOne(type, method, test.Arguments);
                    foreach (TestCaseSourceAttribute source in method.GetCustomAttributes(typeof(TestCaseSourceAttribute), false))
                        foreach (object[] row in (object[])type.GetMethod(source.Name, All).Invoke(null, null))
                            failures += RunOne(type, method, row);
                }
            return failures;
        }

        static int RunOne(Type type, MethodInfo method, object[] arguments)
        {
            string name = type.Name + "." + method.Name + "(" + string.Join(", ", arguments ?? new object[0]) + ")";
            try
            {
                method.Invoke(Activator.CreateInstance(type), arguments);
                Console.WriteLine("passed " + name);
                return 0;
            }
            catch (TargetInvocationException error)
            {
                Console.WriteLine("FAILED " + name + ": " + error.InnerException);
                return 1;
            }
        }
    }
}
