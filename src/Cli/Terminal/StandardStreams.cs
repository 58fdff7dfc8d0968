using System.Text;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Terminal;

/// <summary>
/// Guards standard input, output and error in whatever state they are. A text that cannot be written never ends a command with an
/// exception.
/// </summary>
internal static class StandardStreams
{
    private const int Input = 0, Output = 1, Error = 2;

    private static GuardedWriter? _output;

    /// <summary>Why standard output could not be written; null: all of it was written.</summary>
    public static string? OutputError => _output?.Failure;

    /// <summary>This program was started without standard input.</summary>
    public static bool InputIsClosed { get; private set; }

    /// <summary>Must be called before anything is read or written.</summary>
    public static void Guard()
    {
        InputIsClosed = !Descriptors.IsInherited(Input);
        var (outputIsClosed, errorIsClosed) = (!Descriptors.IsInherited(Output), !Descriptors.IsInherited(Error));
        // The next file or socket would get a free number, and a child process would take it for its own stream.
        while (Descriptors.OpenNull() is var opened and >= 0)
        {
            if (opened <= Error)
                continue;
            _ = Libc.Close(opened);
            break;
        }

        _output = new GuardedWriter(outputIsClosed ? null : Console.Out);
        Console.SetOut(_output);
        Console.SetError(new GuardedWriter(errorIsClosed ? null : Console.Error));
    }

    /// <summary>Passes text on; after the first failure it stores that instead of throwing.</summary>
    private sealed class GuardedWriter(TextWriter? inner) : TextWriter
    {
        public string? Failure { get; private set; }

        public override Encoding Encoding => inner?.Encoding ?? Encoding.UTF8;

        public override void Write(char value) => Try(writer => writer.Write(value));

        public override void Write(char[] buffer, int index, int count) => Try(writer => writer.Write(buffer, index, count));

        public override void Write(string? value) => Try(writer => writer.Write(value));

        public override void WriteLine(string? value) => Try(writer => writer.WriteLine(value));

        public override void Flush()
        {
            if (inner is not null)
                Try(writer => writer.Flush());
        }

        private void Try(Action<TextWriter> write)
        {
            if (inner is null)
            {
                Failure ??= "it is closed";
                return;
            }

            try
            {
                write(inner);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException)
            {
                Failure ??= e.Message;
            }
        }
    }
}
