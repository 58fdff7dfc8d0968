using System.Globalization;
using System.Runtime.InteropServices;

namespace OrleansCache.Bench;

/// <summary>What Linux tells about running programs: processor seconds and peak memory.</summary>
internal static partial class ProcFs
{
    private const double TicksPerSecond = 100; // USER_HZ, the same on every Linux that .NET runs on
    private const int Children = -1;

    /// <summary>Processor seconds of all children that have ended, with their own children.</summary>
    public static double EndedChildrenCpu()
    {
        if (GetResourceUsage(Children, out var usage) != 0)
            throw new InvalidOperationException("getrusage failed");
        return usage.UserSeconds + usage.SystemSeconds + (usage.UserMicroseconds + usage.SystemMicroseconds) / 1e6;
    }

    /// <summary>User and system seconds of a process, all threads; 0 when it has ended.</summary>
    /// <param name="withEndedChildren">Add those of children that it has waited for.</param>
    public static double Cpu(int pid, bool withEndedChildren = false)
    {
        if (Stat(pid) is not { } stat)
            return 0;
        // After the command: state is 0, utime 11, stime 12, cutime 13, cstime 14.
        var own = OfOneThread(pid, stat) ?? (Number(stat[11]) + Number(stat[12])) / TicksPerSecond;
        return withEndedChildren ? own + (Number(stat[13]) + Number(stat[14])) / TicksPerSecond : own;
    }

    // Ticks are too coarse for the many processes of a PostgreSQL; nanoseconds are told of a process's first thread only.
    private static double? OfOneThread(int pid, string[] stat)
    {
        try
        {
            return stat[17] == "1" ? Number(File.ReadAllText($"/proc/{pid}/schedstat").Split(' ')[0]) / 1e9 : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>The resident set, in MiB; 0 when the process has ended.</summary>
    public static double Megabytes(int pid) => StatusMegabytes(pid, "VmRSS:");

    /// <summary>The largest resident set so far, in MiB; 0 when the process has ended.</summary>
    public static double PeakMegabytes(int pid) => StatusMegabytes(pid, "VmHWM:");

    private static double StatusMegabytes(int pid, string name)
    {
        try
        {
            foreach (var line in File.ReadLines($"/proc/{pid}/status"))
            {
                if (line.StartsWith(name, StringComparison.Ordinal))
                    return Number(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) / 1024.0;
            }
        }
        catch (IOException)
        {
            // It has ended.
        }

        return 0;
    }

    /// <summary>Lets this process's peak begin anew at what it has now.</summary>
    public static void ForgetPeak() => File.WriteAllText("/proc/self/clear_refs", "5");

    /// <summary>A process's children named so, with all that descends from them.</summary>
    public static List<int> Descendants(int pid, string command)
    {
        var parents = new Dictionary<int, (int Parent, string Command)>();
        foreach (var entry in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(entry), CultureInfo.InvariantCulture, out var other) && Stat(other) is { } stat)
                parents[other] = ((int)Number(stat[1]), Command(other));
        }

        return [.. parents.Keys.Where(p => parents[p].Command == command && IsBelow(p))];

        bool IsBelow(int child)
        {
            for (var p = child; parents.TryGetValue(p, out var above); p = above.Parent)
            {
                if (above.Parent == pid)
                    return true;
            }

            return false;
        }
    }

    /// <summary>Everything that is waiting to be written goes to the disk now, not during the next measurement.</summary>
    [LibraryImport("libc", EntryPoint = "sync")]
    public static partial void Sync();

    private static string Command(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/comm").Trim();
        }
        catch (IOException)
        {
            return "";
        }
    }

    private static string[]? Stat(int pid)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{pid}/stat");
            // The command, in parentheses, may hold anything.
            return text[(text.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    [LibraryImport("libc", EntryPoint = "getrusage")]
    private static partial int GetResourceUsage(int who, out ResourceUsage usage);

    /// <summary>struct rusage: two times, then 14 longs.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 144)]
    private struct ResourceUsage
    {
        public long UserSeconds;
        public long UserMicroseconds;
        public long SystemSeconds;
        public long SystemMicroseconds;
    }
}
