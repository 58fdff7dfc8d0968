namespace OrleansCache.Nix;

/// <summary>Options for writing a NAR's contents to files.</summary>
public sealed record NarExtractOptions
{
    public static NarExtractOptions Default { get; } = new();

    /// <summary>
    /// Give names that differ only in case a suffix <c>~nix~case~hack~N</c>, for file systems that cannot tell them apart.
    /// </summary>
    public bool CaseHack { get; init; }

    /// <summary>See <see cref="NarReadOptions.MaxDepth"/>.</summary>
    public int MaxDepth { get; init; } = NarFormat.NixMaxDepth;
}

/// <summary>
/// Writes a NAR's contents to a path that does not exist yet, with modes as <c>nix-store --restore</c> leaves them: 0666 or 0777 and 0777
/// for directories, less the umask. Every name is made inside its open directory and never through a link, so a NAR cannot write elsewhere.
/// </summary>
public static class NarExtractor
{
    /// <exception cref="InvalidDataException">The NAR is invalid. What was written until then stays.</exception>
    /// <exception cref="IOException">The target exists, or something could not be written.</exception>
    public static async Task<NarSummary> ExtractAsync(
        Stream nar, string target, NarExtractOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= NarExtractOptions.Default;
        using var handler = new Handler(Libc.ToPath(target), options.CaseHack);
        return await NarReader.ReadAsync(nar, handler, new NarReadOptions { MaxDepth = options.MaxDepth }, cancellationToken);
    }

    private sealed class Handler(byte[] target, bool caseHack) : INarHandler, IDisposable
    {
        private const int FileMode = 0b110_110_110;
        private const int ExecutableMode = 0b111_111_111;

        private readonly Stack<(int Descriptor, Dictionary<string, int>? FoldedNames)> _directories = [];
        private byte[] _name = target; // of the node that comes, ended by NUL
        private int _file = -1;

        private int Parent => _directories.TryPeek(out var directory) ? directory.Descriptor : Libc.AtCurrentDirectory;

        public void BeginDirectory()
        {
            Libc.MakeDirectory(Parent, _name, ExecutableMode);
            var descriptor = Libc.Open(Parent, _name, Libc.ReadOnly | Libc.Directory | Libc.NoFollow);
            _directories.Push((descriptor, caseHack ? new(StringComparer.OrdinalIgnoreCase) : null));
        }

        public void EndDirectory() => _ = Libc.Close(_directories.Pop().Descriptor);

        public void BeginEntry(ReadOnlySpan<byte> name)
        {
            _name = new byte[name.Length + 1];
            name.CopyTo(_name);
            if (_directories.Peek().FoldedNames is not { } folded)
                return;
            // Latin-1 keeps each byte distinct. Beyond ASCII it folds more than needed, which does no harm.
            var key = System.Text.Encoding.Latin1.GetString(name);
            if (name.IndexOf(NarFormat.CaseHackSuffix) >= 0)
                throw new InvalidDataException($"The NAR has the name '{Libc.Text(name)}', which the case hack would take for its own.");
            if (folded.TryAdd(key, 0))
                return;
            _name = [.. name, .. NarFormat.CaseHackSuffix, .. System.Text.Encoding.ASCII.GetBytes($"{++folded[key]}\0")];
        }

        public void EndEntry()
        {
        }

        public void BeginFile(bool executable, long size, long narOffset) =>
            _file = Libc.Open(Parent, _name, Libc.CreateNew | Libc.NoFollow, executable ? ExecutableMode : FileMode);

        public void FileData(ReadOnlySpan<byte> data) => Libc.Write(_file, data, _name);

        public void EndFile()
        {
            _ = Libc.Close(_file);
            _file = -1;
        }

        public void Symlink(ReadOnlySpan<byte> target) => Libc.MakeSymlink([.. target, 0], Parent, _name);

        public void Dispose()
        {
            if (_file >= 0)
                EndFile();
            while (_directories.Count > 0)
                EndDirectory();
        }
    }
}
