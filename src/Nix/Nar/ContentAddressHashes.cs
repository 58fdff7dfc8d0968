using System.Security.Cryptography;

namespace OrleansCache.Nix;

/// <summary>
/// The hash of a NAR, and those that its content addresses are compared with. One hash of the NAR, and one of a single file's contents, for
/// each algorithm; a path that refers to itself needs its own from the first such reference on, where it is split off, and either of two
/// holds, because releases of Nix differ (<c>findings/nix-self-reference-hash.sh</c>).
/// </summary>
internal sealed class ContentAddressHashes : IDisposable
{
    /// <summary>The most hashes of paths that refer to themselves. Addresses beyond them cannot be told.</summary>
    public const int MaxModulo = 4;

    // A reference that began before the end of a piece is seen with the next one, so hashing stays this far behind.
    private const int Lag = StorePathHash.TextLength - 1;

    private readonly RunningHash _nar = new(HashAlgorithmName.SHA256, ofFile: false);
    private readonly List<RunningHash> _all; // with _nar
    private readonly Address[] _addresses;
    private readonly RunningHash[][] _plainOfSelf; // of each path in Selves
    private readonly Dictionary<(int Self, RunningHash Plain), RunningHash?> _modulo = []; // null: more than MaxModulo
    private readonly byte[] _last = new byte[Lag]; // before the next piece
    private int _lastCount;

    private readonly record struct Address(int Self, RunningHash? Plain, byte[] Hash);

    public ContentAddressHashes(IReadOnlyCollection<(StorePathHash Self, ContentAddress Address)> addresses)
    {
        _all = [_nar];
        Selves = [.. addresses.Select(address => address.Self).Distinct()];
        var indexes = Selves.Index().ToDictionary(self => self.Item, self => self.Index);
        _addresses = [.. addresses.Select(address => AddressOf(indexes[address.Self], address.Address))];
        var ofSelf = _addresses.ToLookup(address => address.Self, address => address.Plain);
        _plainOfSelf = [.. Selves.Select((_, index) => ofSelf[index].OfType<RunningHash>().Distinct().ToArray())];
    }

    /// <summary>The paths whose references to themselves <see cref="Append"/> must be told.</summary>
    public IReadOnlyList<StorePathHash> Selves { get; }

    public long Position { get; private set; }

    public void Dispose()
    {
        foreach (var hash in _all)
            hash.Dispose();
    }

    /// <param name="located">What <see cref="StorePathScanner.Located"/> says of this piece.</param>
    /// <param name="file">What <see cref="NarReader.RootFile"/> says after this piece.</param>
    public void Append(ReadOnlySpan<byte> piece, List<(int Index, long Position)> located, (long Offset, long Size)? file)
    {
        var bytes = new NarBytes(_last.AsSpan(0, _lastCount), piece, Position, file);
        foreach (var (self, position) in located)
        {
            foreach (var plain in _plainOfSelf[self])
            {
                if (!plain.OfFile || file is not null)
                    ModuloOf(self, plain)?.AppendZeros(position, bytes);
            }
        }

        Position += piece.Length;
        foreach (var hash in _all)
            hash.AppendUntil(Position - Lag, bytes);
        Keep(piece);
    }

    /// <summary>To be called once, after the last piece.</summary>
    public (Sha256Hash NarHash, bool?[] ContentAddresses) Finish(bool isNar, (long Offset, long Size)? file)
    {
        var bytes = new NarBytes(_last.AsSpan(0, _lastCount), [], Position, file);
        foreach (var hash in _all)
            hash.Finish(Position, bytes);
        return (Sha256Hash.FromBytes(_nar.Digest), [.. _addresses.Select(address => Holds(address, isNar, file is not null))]);
    }

    private Address AddressOf(int self, ContentAddress address)
    {
        var (method, name, hash) = address.Parts();
        HashAlgorithmName? algorithm = name switch
        {
            "md5" => HashAlgorithmName.MD5,
            "sha1" => HashAlgorithmName.SHA1,
            "sha256" => HashAlgorithmName.SHA256,
            "sha512" => HashAlgorithmName.SHA512,
            _ => null,
        };
        if (method is ContentAddressMethod.Git || algorithm is null)
            return new Address(self, null, hash);
        var ofFile = method is not ContentAddressMethod.Recursive;
        var plain = _all.Find(running => running.OfFile == ofFile && running.Algorithm == algorithm);
        if (plain is null)
            _all.Add(plain = new RunningHash(algorithm.Value, ofFile));
        return new Address(self, plain, hash);
    }

    private RunningHash? ModuloOf(int self, RunningHash plain)
    {
        if (_modulo.TryGetValue((self, plain), out var modulo))
            return modulo;
        if (_modulo.Count < MaxModulo)
            _all.Add(modulo = plain.Split());
        _modulo.Add((self, plain), modulo);
        return modulo;
    }

    private bool? Holds(Address address, bool isNar, bool isFile)
    {
        if (address.Plain is not { } hash)
            return null;
        if (!isNar || (hash.OfFile && !isFile))
            return false;
        return _modulo.TryGetValue((address.Self, hash), out var modulo) ? modulo?.Is(address.Hash) : hash.Is(address.Hash);
    }

    private void Keep(ReadOnlySpan<byte> piece)
    {
        var kept = Math.Min(_lastCount, Math.Max(0, Lag - piece.Length));
        _last.AsSpan(_lastCount - kept, kept).CopyTo(_last);
        piece = piece[^Math.Min(piece.Length, Lag)..];
        piece.CopyTo(_last.AsSpan(kept));
        _lastCount = kept + piece.Length;
    }
}
