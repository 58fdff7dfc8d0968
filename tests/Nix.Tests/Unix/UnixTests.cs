using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using OrleansCache.Testing;

namespace OrleansCache.Nix.Tests.Unix;

/// <summary>The system calls, on the system that the tests run on.</summary>
public sealed class UnixTests : IDisposable
{
    private readonly Testing.TempFolder _folder = new("oc-unix-");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_status_has_the_kind_the_size_and_the_owner_of_a_file_and_follows_a_link_only_when_told()
    {
        File.WriteAllText(_folder["file"], "12345");
        File.SetUnixFileMode(_folder["file"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        File.CreateSymbolicLink(_folder["link"], "file");

        Assert.True(FileStatus.TryGet(Libc.AtCurrentDirectory, Libc.ToPath(_folder["link"]), follow: true, out var file));
        Assert.True(FileStatus.TryGet(Libc.AtCurrentDirectory, Libc.ToPath(_folder["link"]), follow: false, out var link));
        var owner = Ownership.Of(_folder["file"]);

        Assert.Equal((Libc.FileType.Regular, 5L, true), (file.Type, file.Size, file.IsExecutable));
        Assert.Equal((Libc.FileType.Symlink, 4L), (link.Type, link.Size));
        Assert.Equal(owner, (file.User, file.Group));
        Assert.Equal(Libc.FileType.Directory, Libc.StatusOf(Libc.AtCurrentDirectory, Libc.ToPath(_folder.Path)).Type);
    }

    [RootFact]
    public void A_file_is_given_to_another_user_and_group()
    {
        File.WriteAllText(_folder["file"], "");

        Assert.True(Ownership.TryChange(_folder["file"], 12, 34));

        Assert.Equal((12u, 34u), Ownership.Of(_folder["file"]));
        Assert.False(Ownership.TryChange(_folder["none"], 12, 34));
        Assert.Contains("No such file", Platform.LastError(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_directory_of_many_entries_is_read_whole_by_a_small_buffer()
    {
        var names = Enumerable.Range(0, 500).Select(i => $"{i}-{new string('n', i % 200)}").ToList();
        foreach (var name in names)
            File.WriteAllText(_folder[name], "");
        var directory = Libc.Open(Libc.AtCurrentDirectory, Libc.ToPath(_folder.Path), Libc.ReadOnly | Libc.Directory | Libc.NoFollow);
        var read = new List<string>();

        var reader = new DirectoryReader(directory, "d\0"u8, new byte[1024]);
        while (reader.Next(out var name, out var type))
        {
            read.Add(Encoding.UTF8.GetString(name));
            Assert.Equal(read[^1] is "." or ".." ? Libc.FileType.Directory : Libc.FileType.Regular, type);
        }

        reader.Dispose();
        _ = Libc.Close(directory);
        Assert.Equal([.. names, ".", ".."], read.ToHashSet());
        Assert.Equal(502, read.Count);
    }

    [Fact]
    public void A_file_that_is_new_is_made_and_one_that_is_there_or_a_link_is_refused()
    {
        File.CreateSymbolicLink(_folder["link"], "elsewhere");
        var file = Libc.Open(Libc.AtCurrentDirectory, Libc.ToPath(_folder["new"]), Libc.CreateNew | Libc.NoFollow, 0x1C0 /* 0700 */);
        Libc.Write(file, "text"u8, "new\0"u8);
        _ = Libc.Close(file);

        Assert.Equal("text", File.ReadAllText(_folder["new"]));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_folder["new"]));
        Assert.Contains("it exists already", Refused("new", Libc.CreateNew), StringComparison.Ordinal);
        Assert.Contains("it became a symbolic link", Refused("link", Libc.ReadOnly | Libc.NoFollow), StringComparison.Ordinal);
        Assert.Contains("Not a directory", Refused("new", Libc.ReadOnly | Libc.Directory), StringComparison.Ordinal);

        string Refused(string name, int flags) =>
            Assert.Throws<IOException>(() => Libc.Open(Libc.AtCurrentDirectory, Libc.ToPath(_folder[name]), flags)).Message;
    }

    [Fact]
    public async Task A_knock_is_heard_where_somebody_listens_and_nowhere_else()
    {
        var path = _folder["s"];
        Assert.False(LocalSocket.Knock(path));
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen(1);

        Assert.True(LocalSocket.Knock(path));

        using var connection = await listener.AcceptAsync().WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(0, await connection.ReceiveAsync(new byte[1]).WaitAsync(TimeSpan.FromMinutes(1)));
        Assert.False(LocalSocket.Knock(_folder[new string('x', 108)]));
    }

    [Fact]
    public async Task A_signal_reaches_a_process_and_says_when_there_is_none()
    {
        using var process = Process.Start("sleep", "600");

        Assert.True(Signals.Send(process.Id, Signals.Terminate));

        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(128 + Signals.Terminate, process.ExitCode);
        Assert.False(Signals.Send(process.Id, Signals.Terminate));
    }

    [Fact]
    public void A_descriptor_of_the_runtime_is_not_inherited_and_that_of_null_is()
    {
        using var file = File.OpenHandle(_folder["file"], FileMode.Create, FileAccess.Write);
        var opened = Descriptors.OpenNull();

        Assert.False(Descriptors.IsInherited((int)file.DangerousGetHandle()));
        Assert.True(Descriptors.IsInherited(opened));
        _ = Libc.Close(opened);
        Assert.False(Descriptors.IsInherited(1 << 20));
    }

    [Fact]
    public void A_file_in_memory_is_reached_by_its_path()
    {
        var file = MemoryFile.TryCreate("a-name");

        Assert.NotNull(file);
        File.WriteAllText(MemoryFile.PathOf(file.Value), "text");
        Assert.Equal("text", File.ReadAllText(MemoryFile.PathOf(file.Value)));
        _ = Libc.Close(file.Value);
    }

    [Fact]
    public void The_word_by_which_this_program_was_called_is_known() =>
        Assert.Equal(File.ReadAllText("/proc/self/cmdline").Split('\0')[0], Invocation.CalledAs());
}
