namespace OrleansCache.Cli.Common;

/// <summary>Where a path leads when every link on its way is followed, that of a folder too. The end need not be there.</summary>
internal static class RealPath
{
    private const int MaxLinks = 40;

    /// <exception cref="IOException">The links lead in a circle.</exception>
    public static string Of(string path)
    {
        var left = new Stack<string>();
        Push(Path.GetFullPath(path));
        var (real, links) = ("/", 0);
        while (left.TryPop(out var name))
        {
            if (name is "" or ".")
                continue;
            if (name == "..")
            {
                real = Path.GetDirectoryName(real) ?? "/";
                continue;
            }

            var next = Path.Combine(real, name);
            if (new FileInfo(next).LinkTarget is not { } target)
            {
                real = next;
                continue;
            }

            if (++links > MaxLinks)
                throw new IOException($"{path} leads through more than {MaxLinks} links, or in a circle.");
            if (target.StartsWith('/'))
                real = "/";
            Push(target);
        }

        return real;

        void Push(string names)
        {
            foreach (var name in names.Split('/').Reverse())
                left.Push(name);
        }
    }
}
