using Orleans.Placement;
using OrleansCache.Nix;

namespace OrleansCache.Grains;

/// <summary>
/// A turn costs some microseconds a path, where an activation for each path would cost fifty: so one grain keeps the uploads of a cache.
/// </summary>
[PreferLocalPlacement]
internal sealed class UploadsGrain(TimeProvider time) : Grain, IUploadsGrain
{
    // Some 150 MiB, and of one trust group a quarter. What is begun beyond it only the catalog knows.
    private const int MaxNoted = 1_000_000;
    private const int MaxOfGroup = MaxNoted / 4;
    // Pairs of a push and an uploader, some 30 MiB: two groups that play together could else make them grow as a square.
    private const int MaxTold = 500_000;
    private const double LeastSeconds = 10;
    private const double MostSeconds = 900;

    private static readonly TimeSpan SweepPeriod = TimeSpan.FromMinutes(1);

    private readonly Dictionary<StorePathHash, Upload> _uploads = [];
    private readonly Dictionary<Guid, HashSet<StorePathHash>> _paths = [];
    // Of a push: whose uploads of another group it was told of, and has declared to wait for.
    private readonly Dictionary<Guid, Told> _told = [];
    private readonly Dictionary<string, int> _ofGroup = new(StringComparer.Ordinal);
    private int _noted, _toldPairs;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        this.RegisterGrainTimer(Sweep, new GrainTimerCreationOptions(SweepPeriod, SweepPeriod));
        return Task.CompletedTask;
    }

    public Task<UploadersFound> ClaimAsync(UploadsWanted wanted)
    {
        var found = new Found(wanted.NarSizes.Length);
        for (var i = 0; i < wanted.NarSizes.Length; i++)
        {
            var path = PathAt(wanted.Paths, i);
            var nar = Sha256Hash.FromBytes(wanted.NarHashes.AsSpan(i * Sha256Hash.ByteLength, Sha256Hash.ByteLength));
            var size = wanted.NarSizes[i];
            if (Find(path, wanted.Push, wanted.Group) is { } own)
            {
                // Of another content nothing is told, and nothing noted: the first is what others wait for.
                if (own.Is(nar, size))
                    found.Add(i, own, isOwn: true);
            }
            else if (wanted.Adopts && !IsNoted(path, wanted.Push) && FindOther(path, wanted, nar, size) is { } other)
            {
                found.Add(i, other, isOwn: false);
                Tell(wanted.Push, other.Push);
            }
            else
            {
                Note(path, new Upload(wanted.Push, wanted.Group, wanted.Rank, nar, size, time.GetTimestamp(),
                    TimeSpan.FromSeconds(Math.Clamp(2.0 * size / wanted.Rate, LeastSeconds, MostSeconds))));
            }
        }

        return Task.FromResult(found.ToAnswer());
    }

    public Task<UploadersFound> FindAsync(Guid push, string group, byte[] paths)
    {
        var count = paths.Length / StorePathHash.ByteLength;
        var found = new Found(count);
        for (var i = 0; i < count; i++)
        {
            var path = PathAt(paths, i);
            if (Find(path, push, group) is { } own)
                found.Add(i, own, isOwn: true);
            else if (FindTold(path, push) is { } other)
                found.Add(i, other, isOwn: false);
        }

        return Task.FromResult(found.ToAnswer());
    }

    public Task ReleasedAsync(Guid push, byte[] paths)
    {
        for (var i = 0; i < paths.Length / StorePathHash.ByteLength; i++)
            Remove(PathAt(paths, i), upload => upload.Push == push);
        return Task.CompletedTask;
    }

    public Task EndedAsync(Guid push)
    {
        ForgetTold(push);
        if (_paths.Remove(push, out var paths))
        {
            foreach (var path in paths)
                Remove(path, upload => upload.Push == push);
        }

        return Task.CompletedTask;
    }

    private static StorePathHash PathAt(byte[] paths, int index) =>
        StorePathHash.FromBytes(paths.AsSpan(index * StorePathHash.ByteLength, StorePathHash.ByteLength));

    private Upload? Find(StorePathHash path, Guid push, string group)
    {
        for (var upload = _uploads.GetValueOrDefault(path); upload is not null; upload = upload.Next)
        {
            if (upload.Group == group && upload.Push != push && !IsOverdue(upload))
                return upload;
        }

        return null;
    }

    // As the catalog has it: nobody waits for a lower rank.
    private Upload? FindOther(StorePathHash path, UploadsWanted wanted, Sha256Hash nar, long size)
    {
        for (var upload = _uploads.GetValueOrDefault(path); upload is not null; upload = upload.Next)
        {
            if (upload.Group != wanted.Group && upload.Rank >= wanted.Rank && upload.Is(nar, size) && !IsOverdue(upload))
                return upload;
        }

        return null;
    }

    private Upload? FindTold(StorePathHash path, Guid push)
    {
        if (!_told.TryGetValue(push, out var told))
            return null;
        for (var upload = _uploads.GetValueOrDefault(path); upload is not null; upload = upload.Next)
        {
            if (told.Uploaders.Contains(upload.Push) && !IsOverdue(upload))
                return upload;
        }

        return null;
    }

    private void Tell(Guid push, Guid uploader)
    {
        if (_toldPairs >= MaxTold)
            return;
        if (!_told.TryGetValue(push, out var told))
            _told[push] = told = new Told([], time.GetTimestamp());
        if (told.Uploaders.Add(uploader))
            _toldPairs++;
    }

    private void ForgetTold(Guid push)
    {
        if (_told.Remove(push, out var told))
            _toldPairs -= told.Uploaders.Count;
    }

    private void Note(StorePathHash path, Upload upload)
    {
        // The group's former claim is overdue, or the push's own.
        Remove(path, former => former.Group == upload.Group);
        var ofGroup = _ofGroup.GetValueOrDefault(upload.Group);
        if (_noted >= MaxNoted || ofGroup >= MaxOfGroup)
            return;
        _noted++;
        _ofGroup[upload.Group] = ofGroup + 1;
        upload.Next = _uploads.GetValueOrDefault(path);
        _uploads[path] = upload;
        if (!_paths.TryGetValue(upload.Push, out var paths))
            _paths[upload.Push] = paths = [];
        paths.Add(path);
    }

    private void Remove(StorePathHash path, Func<Upload, bool> isGone)
    {
        Upload? kept = null;
        for (var upload = _uploads.GetValueOrDefault(path); upload is not null;)
        {
            var next = upload.Next;
            if (isGone(upload))
                Forget(upload.Group);
            else
                (upload.Next, kept) = (kept, upload);
            upload = next;
        }

        if (kept is null)
            _uploads.Remove(path);
        else
            _uploads[path] = kept;
    }

    private void Forget(string group)
    {
        _noted--;
        if (--_ofGroup[group] == 0)
            _ofGroup.Remove(group);
    }

    // A push whose end nobody has told.
    private Task Sweep(CancellationToken cancellationToken)
    {
        foreach (var path in _uploads.Keys.ToList())
            Remove(path, IsOverdue);
        foreach (var (push, paths) in _paths.ToList())
        {
            paths.RemoveWhere(path => !IsNoted(path, push));
            if (paths.Count == 0)
                _paths.Remove(push);
        }

        foreach (var (push, _) in _told.Where(t => time.GetElapsedTime(t.Value.Since).TotalSeconds > MostSeconds).ToList())
            ForgetTold(push);
        return Task.CompletedTask;
    }

    private bool IsNoted(StorePathHash path, Guid push)
    {
        for (var upload = _uploads.GetValueOrDefault(path); upload is not null; upload = upload.Next)
        {
            if (upload.Push == push)
                return true;
        }

        return false;
    }

    private bool IsOverdue(Upload upload) => time.GetElapsedTime(upload.Since) > upload.Allowance;

    private sealed record Told(HashSet<Guid> Uploaders, long Since);

    private sealed class Upload(Guid push, string group, int rank, Sha256Hash nar, long size, long since, TimeSpan allowance)
    {
        public Guid Push => push;

        public string Group => group;

        public int Rank => rank;

        public Sha256Hash Nar => nar;

        public long Since => since;

        public TimeSpan Allowance => allowance;

        /// <summary>Another group's upload of the same path.</summary>
        public Upload? Next { get; set; }

        public bool Is(Sha256Hash otherNar, long otherSize) => nar == otherNar && size == otherSize;
    }

    private sealed class Found
    {
        private readonly int[] _places;
        private readonly byte[] _nars;
        private readonly List<(Guid Push, bool IsOwn)> _pushes = [];

        public Found(int count)
        {
            (_places, _nars) = (new int[count], new byte[count * Sha256Hash.ByteLength]);
            Array.Fill(_places, -1);
        }

        public void Add(int index, Upload upload, bool isOwn)
        {
            // One or two, nearly always.
            var place = _pushes.IndexOf((upload.Push, isOwn));
            if (place < 0)
            {
                place = _pushes.Count;
                _pushes.Add((upload.Push, isOwn));
            }

            _places[index] = place;
            upload.Nar.CopyTo(_nars.AsSpan(index * Sha256Hash.ByteLength));
        }

        public UploadersFound ToAnswer() => new(_places, [.. _pushes.Select(p => p.Push)], [.. _pushes.Select(p => p.IsOwn)], _nars);
    }
}
